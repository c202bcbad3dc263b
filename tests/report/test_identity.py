"""Signing identities: made once and privately, read back whole, refused when damaged."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from getpass import getuser
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyhanko", reason="the extra 'report' is not installed")

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    NoEncryption,
    pkcs12,
)

from medpipe.errors import MissingDependency, SignatureError
from medpipe.signing import identity as module
from medpipe.signing.identity import (
    Identity,
    existing_identity,
    local_identity,
    pkcs12_identity,
    public_record,
)
from medpipe.signing.signers import TrustedSigner, dump_signer, load_signers, trusted_from

FILES = ["attest-key.pem", "root-cert.pem", "signing-cert.pem", "signing-key.pem"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home") / "deep" / "identity"


@pytest.fixture(scope="module")
def identity(folder: Path) -> Identity:
    return local_identity(folder)


def certificate(
    key: Any,
    name: str = "Dr A. Reviewer",
    *,
    issuer: Any = None,
    issuer_key: Any = None,
    commits: bool = True,
    days: tuple[int, int] = (-1, 100),
    ca: bool = False,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(True, commits, False, False, False, ca, ca, False, False), critical=True
        )
    )
    return builder.sign(issuer_key or key, hashes.SHA256())


def write_p12(
    path: Path,
    key: Any,
    leaf: x509.Certificate | None,
    chain: list[x509.Certificate] | None = None,
    passphrase: str = "",
) -> Path:
    lock = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    path.write_bytes(pkcs12.serialize_key_and_certificates(b"x", key, leaf, chain, lock))
    return path


def test_made_once_and_read_back(folder: Path, identity: Identity) -> None:
    again = local_identity(folder)
    assert (
        again.fingerprint
        == identity.fingerprint
        == identity.certificate.fingerprint(hashes.SHA256()).hex()
    )
    assert again.attest_key.public_key() == identity.attest_key.public_key()
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert sorted(path.name for path in folder.parent.iterdir()) == ["identity"], (
        "a draft was left behind"
    )


@pytest.mark.skipif(os.name != "posix", reason="file modes are a POSIX matter")
def test_keys_are_private(folder: Path, identity: Identity) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.glob("*key*")} == {0o600}


def test_name_says_self_issued_and_leaks_nobody(identity: Identity) -> None:
    text = identity.certificate.public_bytes(
        module.cryptography_package().hazmat.primitives.serialization.Encoding.DER
    )
    assert (
        identity.is_local
        and identity.name.startswith("medpipe local identity ")
        and identity.name.endswith(" (self-issued)")
    )
    assert socket.gethostname().encode() not in text or len(socket.gethostname()) < 3
    assert f"{getuser()}@".encode() not in text


def test_certificate_fits_signing_for_the_archive(identity: Identity) -> None:
    usage = identity.certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature and usage.content_commitment and not usage.key_cert_sign
    assert identity.certificate.not_valid_after_utc > datetime.now(UTC) + timedelta(days=3652)
    identity.certificate.verify_directly_issued_by(identity.chain[-1])


def test_the_folder_follows_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("MEDPIPE_IDENTITY", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    first = local_identity()
    assert (tmp_path / "config/medpipe/identity/signing-key.pem").is_file()
    monkeypatch.setenv("MEDPIPE_IDENTITY", str(tmp_path / "own"))
    assert local_identity().fingerprint != first.fingerprint
    assert (tmp_path / "own/signing-key.pem").is_file()


def test_existing_identity_makes_nothing(folder: Path, identity: Identity, tmp_path: Path) -> None:
    assert existing_identity(tmp_path / "none") is None and not (tmp_path / "none").exists()
    found = existing_identity(folder)
    assert found is not None and found.fingerprint == identity.fingerprint


def test_processes_at_once_get_one_identity(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; "
        "from medpipe.signing.identity import local_identity; "
        "print(local_identity(Path(sys.argv[1])).fingerprint)"
    )
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "shared")],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(module.__file__).parents[2],
        )
        for _ in range(4)
    ]
    prints = {run.communicate()[0] for run in runs}
    assert len(prints) == 1 and prints.pop().strip() and [run.returncode for run in runs] == [0] * 4
    assert [path.name for path in tmp_path.iterdir()] == ["shared"]


def _remove(folder: Path, name: str) -> None:
    (folder / name).unlink()


def _empty(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"")


def _cut(folder: Path, name: str) -> None:
    (folder / name).write_bytes((folder / name).read_bytes()[:90])


def _swap(folder: Path, name: str) -> None:
    other = local_identity(folder.parent / "other")
    (folder / name).write_bytes((folder.parent / "other" / name).read_bytes())
    assert other.name


@pytest.mark.parametrize("damage", [_remove, _empty, _cut, _swap])
@pytest.mark.parametrize("name", ["signing-key.pem", "signing-cert.pem", "root-cert.pem"])
def test_a_damaged_folder_is_named_in_one_sentence(tmp_path: Path, damage: Any, name: str) -> None:
    folder = tmp_path / "identity"
    local_identity(folder)
    damage(folder, name)
    with pytest.raises(SignatureError, match=r"identity") as caught:
        local_identity(folder)
    assert str(folder) in str(caught.value) and "\n" not in str(caught.value)


def test_a_damaged_statement_key_is_named_too(tmp_path: Path) -> None:
    local_identity(tmp_path / "i")
    (tmp_path / "i/attest-key.pem").write_bytes((tmp_path / "i/signing-key.pem").read_bytes())
    with pytest.raises(SignatureError, match="damaged"):
        local_identity(tmp_path / "i")


@pytest.mark.skipif(os.name != "posix", reason="file modes are a POSIX matter")
def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    local_identity(tmp_path / "i")
    (tmp_path / "i/signing-key.pem").chmod(0o644)
    with pytest.raises(SignatureError, match="chmod 600"):
        local_identity(tmp_path / "i")


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(SignatureError, match="MEDPIPE_IDENTITY"):
        local_identity(tmp_path / "file" / "identity")


def test_pkcs12_brings_name_chain_and_the_local_statement_key(
    tmp_path: Path, folder: Path, identity: Identity
) -> None:
    root_key, key = ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)
    root = certificate(root_key, "Hospital CA", ca=True)
    leaf = certificate(key, issuer=root, issuer_key=root_key)
    stranger = certificate(root_key, "Unrelated")
    path = write_p12(tmp_path / "real.p12", key, leaf, [stranger, root], "open sesame")
    real = pkcs12_identity(path, "open sesame", folder=folder)
    assert real.name == "Dr A. Reviewer" and not real.is_local and real.chain == (root,)
    assert real.attest_key.public_key() == identity.attest_key.public_key()


def test_pkcs12_faults_are_one_sentence_each(tmp_path: Path, folder: Path) -> None:
    key, other, curve = (
        ec.generate_private_key(kind()) for kind in (ec.SECP256R1, ec.SECP256R1, ec.SECP192R1)
    )
    small = rsa.generate_private_key(65537, 1024)
    (tmp_path / "text.p12").write_text("hello")
    cases = {
        "does not open": (
            write_p12(tmp_path / "a.p12", key, certificate(key), passphrase="right"),
            "wrong",
        ),
        "is no PKCS#12": (tmp_path / "text.p12", None),
        "expected a PKCS#12 file at": (tmp_path / "absent.p12", None),
        "got no key": (write_p12(tmp_path / "b.p12", None, certificate(key)), None),
        "contentCommitment": (
            write_p12(tmp_path / "d.p12", key, certificate(key, commits=False)),
            None,
        ),
        "which is not now": (
            write_p12(tmp_path / "e.p12", key, certificate(key, days=(-9, -2))),
            None,
        ),
        "2048 bits or more": (write_p12(tmp_path / "f.p12", small, certificate(small)), None),
        "or P-256": (write_p12(tmp_path / "g.p12", curve, certificate(curve)), None),
    }
    for said, (path, passphrase) in cases.items():
        with pytest.raises(SignatureError) as caught:
            pkcs12_identity(path, passphrase, folder=folder)
        assert said in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(SignatureError, match="another key"):
        module._check_usable(certificate(other), key, "here")


def test_public_record_holds_nothing_private(identity: Identity) -> None:
    record = public_record(identity)
    assert set(record) == {"name", "fingerprint", "certificate", "root", "attest_public_key"}
    assert "PRIVATE" not in str(record)
    assert (
        bytes.fromhex(record["attest_public_key"])
        == identity.attest_key.public_key().public_bytes_raw()
    )


def test_signers_come_back_from_toml(tmp_path: Path, identity: Identity) -> None:
    other = local_identity(tmp_path / "other")
    path = tmp_path / "signers.toml"
    path.write_text(
        dump_signer(identity) + "\n" + dump_signer(other) + "revoked = 2027-01-31\n",
        encoding="utf-8",
    )
    signers = load_signers(path)
    assert signers[identity.fingerprint] == trusted_from(identity)
    assert str(signers[other.fingerprint].revoked) == "2027-01-31"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name =", "nmae =", "expected the keys"),
        ('fingerprint = "', 'fingerprint = "0', "fingerprint"),
        ("[[signer]]", "[signer]", "tables only"),
        ('name = "', 'name = 3 # "', "text"),
        ("[[signer]]", "extra = 1\n[[signer]]", "tables only"),
        ("[[signer]]", '[[signer]]\nrevoked = "soon"', "as a date"),
        ("[[signer]]", "[[signer]]\nrevoked = 2027-01-31T00:00:00", "as a date"),
        ("BEGIN CERT", "BEGIN PERT", "PEM"),
        ('attest_public_key = "', 'attest_public_key = "zz', "64 hex"),
        ("[[signer]]", "[[signer", "TOML"),
    ],
)
def test_lists_of_signers_are_strict(
    tmp_path: Path, identity: Identity, old: str, new: str, said: str
) -> None:
    text = dump_signer(identity)
    assert old in text
    (tmp_path / "signers.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(SignatureError, match=said) as caught:
        load_signers(tmp_path / "signers.toml")
    assert "signers.toml" in str(caught.value)


def test_a_signer_stands_once_and_the_list_has_to_be_there(
    tmp_path: Path, identity: Identity
) -> None:
    (tmp_path / "s.toml").write_text(dump_signer(identity) * 2, encoding="utf-8")
    with pytest.raises(SignatureError, match="twice"):
        load_signers(tmp_path / "s.toml")
    with pytest.raises(SignatureError, match="absent"):
        load_signers(tmp_path / "absent.toml")


def test_hostile_names_cannot_break_out_of_the_toml(tmp_path: Path, identity: Identity) -> None:
    name = 'a"\n[[signer]]\x7f\u202e\\ ü'
    hostile = replace(identity, name=name)
    (tmp_path / "s.toml").write_text(dump_signer(hostile), encoding="utf-8")
    (signer,) = load_signers(tmp_path / "s.toml").values()
    assert isinstance(signer, TrustedSigner) and signer.name == 'a"[[signer]]\\ ü'


def test_cryptography_missing_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.x509", None)
    with pytest.raises(MissingDependency, match=r"medpipe\[report\]"):
        local_identity(tmp_path / "i")
