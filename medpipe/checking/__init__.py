"""The reviewer's check of a signed report, from the signature back to the evidence."""
