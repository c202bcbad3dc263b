"use strict";
/* The reading: plain functions on a state that JSON can hold, and below them the page. No network, no library.
   State: {reader, at, answers: {id: {confidence, realism, plausibility, comment, seconds}}}. */
const STEPS = {confidence: 6, realism: 5, plausibility: 5};
const KEYS = {confidence: "123456", realism: "qwert", plausibility: "asdfg"};
const CODE = /^[A-Za-z0-9_-]{1,32}$/;
const LONGEST = 2000;

function fresh(reader) { return {reader: reader, at: 0, answers: {}}; }

function answerTo(state, id) {
  return Object.assign({confidence: null, realism: null, plausibility: null, comment: "", seconds: 0}, state.answers[id]);
}

function changed(state, id, change) {
  const answers = Object.assign({}, state.answers);
  answers[id] = Object.assign(answerTo(state, id), change);
  return Object.assign({}, state, {answers: answers});
}

function complete(answer) { return Object.keys(STEPS).every((q) => answer[q] !== null); }

function missing(study, state) { return study.items.filter((id) => !complete(answerTo(state, id))); }

/* Minutes for what is left, from the median time of what is done; null before three images are. */
function minutesLeft(study, state) {
  const spent = study.items.map((id) => answerTo(state, id)).filter(complete).map((a) => a.seconds).sort((a, b) => a - b);
  if (spent.length < 3) { return null; }
  return Math.ceil(spent[Math.floor(spent.length / 2)] * missing(study, state).length / 60);
}

function answersDocument(study, state) {
  const done = study.items.filter((id) => complete(answerTo(state, id)));
  return {version: 1, study: study.id, commitment: study.commitment, reader: state.reader, items: done.map((id) => {
    const a = answerTo(state, id);
    return {id: id, confidence: a.confidence, realism: a.realism, plausibility: a.plausibility,
            comment: a.comment.slice(0, LONGEST), seconds: Math.round(a.seconds * 10) / 10};
  })};
}

/* What was kept, or null where it is not this study's or not whole. */
function restored(study, reader, text) {
  let kept;
  try { kept = JSON.parse(text); } catch (error) { return null; }
  if (!kept || kept.reader !== reader || !Number.isInteger(kept.at) || typeof kept.answers !== "object" || !kept.answers) { return null; }
  const known = new Set(study.items);
  const fits = (id, a) => known.has(id) && a && typeof a.comment === "string" && Number.isFinite(a.seconds) && a.seconds >= 0
    && Object.keys(STEPS).every((q) => a[q] === null || (Number.isInteger(a[q]) && a[q] >= 1 && a[q] <= STEPS[q]));
  if (!Object.entries(kept.answers).every(([id, a]) => fits(id, a))) { return null; }
  return {reader: reader, at: Math.min(Math.max(kept.at, 0), study.items.length - 1), answers: kept.answers};
}

function keyAction(key) {
  const low = key.toLowerCase();
  for (const question of Object.keys(KEYS)) {
    const at = low.length === 1 ? KEYS[question].indexOf(low) : -1;
    if (at >= 0) { return {question: question, value: at + 1}; }
  }
  const moves = {n: 1, p: -1};
  if (low in moves) { return {move: moves[low]}; }
  const zooms = {"+": 1, "=": 1, "-": -1};
  return low in zooms ? {zoom: zooms[low]} : null;
}

/* Whole factors only, so that no detail is invented; the first is the largest that fits into `room` pixels. */
function zoomLevels(size) { return [1, 2, 3, 4, 6, 8, 12, 16].filter((f) => f === 1 || f * size <= 4096); }
function firstZoom(size, room) { return zoomLevels(size).filter((f, k) => k === 0 || f * size <= room).length - 1; }

function begin(page) {
  const study = JSON.parse(page.getElementById("study").textContent);
  const at = (id) => page.getElementById(id);
  const slot = (reader) => "medpipe-reading-" + study.id + "-" + reader;
  let state = null, since = null, zoom = null;

  function keep() {
    try { window.localStorage.setItem(slot(state.reader), JSON.stringify(state)); } catch (error) { at("unkept").hidden = false; }
  }
  function look(reader) {
    try { return restored(study, reader, window.localStorage.getItem(slot(reader)) || ""); } catch (error) { return null; }
  }
  function clock() {  /* adds the time since the last look, while the page was seen */
    const now = performance.now();
    if (state && since !== null) {
      const id = study.items[state.at];
      state = changed(state, id, {seconds: answerTo(state, id).seconds + (now - since) / 1000});
    }
    since = page.hidden || at("item").hidden ? null : now;
  }
  function only(name) {
    for (const id of ["start", "item", "end"]) { at(id).hidden = id !== name; }
    at(name + "-title").focus();
    window.scrollTo(0, 0);
  }
  function progress() {
    const left = missing(study, state).length, minutes = minutesLeft(study, state), done = study.items.length - left;
    at("bar").max = study.items.length;
    at("bar").value = done;
    at("said").textContent = done + " of " + study.items.length + " answered"
      + (minutes === null || left === 0 ? "" : ", about " + minutes + " min left");
  }
  function magnify() {  /* the middle of the picture in the middle of the stage */
    const stage = at("stage"), picture = at("picture");
    if (zoom === null) { zoom = firstZoom(study.size, Math.min(stage.clientWidth, stage.clientHeight, 512)); }
    const factor = zoomLevels(study.size)[zoom];
    picture.style.width = picture.style.height = factor * study.size + "px";
    stage.scrollTo((stage.scrollWidth - stage.clientWidth) / 2, (stage.scrollHeight - stage.clientHeight) / 2);
    at("factor").textContent = factor + "×";
    at("smaller").disabled = zoom === 0;
    at("larger").disabled = zoom === zoomLevels(study.size).length - 1;
  }
  function show(place) {
    clock();
    state = Object.assign({}, state, {at: place});
    const id = study.items[place], answer = answerTo(state, id), name = "Image " + (place + 1) + " of " + study.items.length;
    at("item-title").textContent = name;
    at("picture").src = study.pictures[place];
    at("picture").alt = name;
    for (const question of Object.keys(STEPS)) {
      for (const input of page.getElementsByName(question)) { input.checked = Number(input.value) === answer[question]; }
    }
    at("comment").value = answer.comment;
    at("previous").disabled = place === 0;
    at("next").textContent = place === study.items.length - 1 ? "To the end" : "Next";
    at("notice").textContent = "";
    only("item");
    magnify();
    since = null;
    clock();
    keep();
    progress();
  }
  function put(change) {
    clock();
    state = changed(state, study.items[state.at], change);
    keep();
    progress();
  }
  function move(step) {
    const place = state.at + step;
    if (place < 0) { return; }
    if (step > 0 && !complete(answerTo(state, study.items[state.at])) && at("notice").textContent === "") {
      at("notice").textContent = "Not all three questions are answered. Press Next again to leave it for later.";
      return;
    }
    if (place < study.items.length) { show(place); } else { finish(); }
  }
  function finish() {
    clock();
    const left = missing(study, state);
    at("left").textContent = left.length === 0 ? "All images are answered. Download the file and send it to whoever gave you this page."
      : left.length + (left.length === 1 ? " image has" : " images have") + " no full answer yet; the study needs all of them.";
    at("open").replaceChildren(...left.map((id) => {
      const button = page.createElement("button");
      button.type = "button";
      button.textContent = "Image " + (study.items.indexOf(id) + 1);
      button.addEventListener("click", () => show(study.items.indexOf(id)));
      return button;
    }));
    at("download").textContent = left.length === 0 ? "Download answers" : "Download what is answered so far";
    only("end");
    since = null;
    keep();
  }
  function download() {
    const text = JSON.stringify(answersDocument(study, state), null, 1) + "\n";
    const link = page.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], {type: "application/json"}));
    link.download = "answers-" + state.reader + ".json";
    link.click();
    window.setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  }

  at("enter").addEventListener("submit", (event) => {
    event.preventDefault();
    const reader = at("reader").value.trim();
    if (!CODE.test(reader)) {
      at("fault").textContent = "A code of 1 to 32 letters, digits, - or _ is needed.";
      at("reader").setAttribute("aria-invalid", "true");
      at("reader").focus();
      return;
    }
    state = look(reader) || fresh(reader);
    show(state.at);
  });
  for (const question of Object.keys(STEPS)) {
    for (const input of page.getElementsByName(question)) {
      input.addEventListener("change", () => put({[question]: Number(input.value)}));
    }
  }
  at("comment").addEventListener("input", () => put({comment: at("comment").value.slice(0, LONGEST)}));
  at("previous").addEventListener("click", () => move(-1));
  at("next").addEventListener("click", () => move(1));
  at("back").addEventListener("click", () => show(state.at));
  at("to-end").addEventListener("click", finish);
  at("download").addEventListener("click", download);
  const step = (by) => { zoom = Math.min(Math.max(zoom + by, 0), zoomLevels(study.size).length - 1); magnify(); };
  at("larger").addEventListener("click", () => step(1));
  at("smaller").addEventListener("click", () => step(-1));
  at("smooth").addEventListener("change", () => at("picture").classList.toggle("smooth", at("smooth").checked));
  page.addEventListener("visibilitychange", clock);
  page.addEventListener("keydown", (event) => {
    const writing = event.target.tagName === "TEXTAREA" || event.target.type === "text";
    if (at("item").hidden || writing || !at("shortcuts").checked || event.ctrlKey || event.altKey || event.metaKey) { return; }
    const action = keyAction(event.key);
    if (action === null) { return; }
    event.preventDefault();
    if (action.move) { move(action.move); } else if (action.zoom) { step(action.zoom); } else {
      for (const input of page.getElementsByName(action.question)) { input.checked = Number(input.value) === action.value; }
      put({[action.question]: action.value});
    }
  });
}

if (typeof document !== "undefined") { begin(document); }
if (typeof module !== "undefined") {
  module.exports = {fresh, answerTo, changed, complete, missing, minutesLeft, answersDocument, restored, keyAction, zoomLevels, firstZoom, CODE};
}
