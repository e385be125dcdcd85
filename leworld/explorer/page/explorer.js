"use strict";

const $ = id => document.getElementById(id);
const state = {facts: null, shown: null, episode: 0, frame: 0, goal: null, imagined: null, played: null, timer: 0};
let asked = 0;  // questions so far: an answer to an earlier one is dropped

async function ask(name, question) {
  const options = question === undefined ? {} : {
    method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(question)};
  const response = await fetch(name, options);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

function say(text, error = false) {
  $("status").textContent = text;
  $("status").className = error ? "error" : "";
}

async function attempt(words, deed) {
  const mine = ++asked;
  say(words);
  try {
    await deed(() => mine === asked);
    if (mine === asked && $("status").textContent === words) say("");
  } catch (error) {
    if (mine === asked) say(error.message, true);
  }
}

function bytes(pictures) {
  if (!pictures.bytes) pictures.bytes = Uint8Array.from(atob(pictures.rgb), c => c.charCodeAt(0));
  return pictures.bytes;
}

function draw(canvas, pictures, index) {
  const {width, height} = pictures, rgb = bytes(pictures), size = width * height;
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  for (let i = 0; i < size; i++) {
    const from = (index * size + i) * 3;
    image.data.set([rgb[from], rgb[from + 1], rgb[from + 2], 255], i * 4);
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

const colour = name => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

function fit(canvas) {
  const ratio = window.devicePixelRatio || 1, box = canvas.getBoundingClientRect();
  canvas.width = Math.max(1, Math.round(box.width * ratio));
  canvas.height = Math.max(1, Math.round(box.height * ratio));
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  return [pen, box.width, box.height];
}

const offset = episode => state.facts.lengths.slice(0, episode).reduce((sum, length) => sum + length, 0);
const placeOf = at => state.facts.places[offset(at.episode) + at.frame];

function borders() {
  const {places, backdrop} = state.facts;
  if (backdrop) return [...backdrop.x, ...backdrop.y];
  const xs = places.map(p => p[0]), ys = places.map(p => p[1]);
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const [dx, dy] = [(right - left) * 0.06 || 1, (bottom - top) * 0.06 || 1];
  return [left - dx, right + dx, top - dy, bottom + dy];  // like pictures, the second axis points down
}

function mapScale(width, height) {
  const [left, right, top, bottom] = borders();
  return p => [(p[0] - left) / (right - left) * width, (p[1] - top) / (bottom - top) * height];
}

function drawMap() {
  const [pen, width, height] = fit($("map")), at = mapScale(width, height);
  const ink = name => colour(state.facts.backdrop ? "paper-" + name : name);  // the world is drawn on white
  if (state.facts.backdrop) {
    const floor = document.createElement("canvas");
    draw(floor, state.facts.backdrop.picture, 0);
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, width, height);
    pen.globalAlpha = 0.55;
    pen.drawImage(floor, 0, 0, width, height);
    pen.globalAlpha = 1;
  }
  const dot = (place, name, radius) => {
    const [x, y] = at(place);
    pen.fillStyle = ink(name);
    pen.beginPath();
    pen.arc(x, y, radius, 0, 7);
    pen.fill();
  };
  const path = (places, name, dots) => {
    pen.strokeStyle = ink(name);
    pen.lineWidth = 2.5;
    pen.beginPath();
    places.forEach((place, i) => pen[i ? "lineTo" : "moveTo"](...at(place)));
    pen.stroke();
    if (dots) places.forEach(place => dot(place, name, 4));
  };
  state.facts.places.forEach(place => dot(place, "dot", 1.6));
  if (state.played) path(state.played.places, "played", false);
  if (state.imagined) path([placeOf(state.imagined.from), ...state.imagined.imagined.places], "imagined", true);
  if (state.goal) dot(placeOf(state.goal), "goal", 8);
  const here = state.shown.states ? state.shown.states[state.frame] : placeOf(state);
  dot(here, "here", 7);
}

function drawSurprise() {
  const [pen, width, height] = fit($("surprise"));
  const {surprise, calm, event} = state.shown, alarm = state.facts.alarm;
  const curves = [["dot", calm], ["here", surprise]].filter(c => c[1]);
  const values = [...curves.flatMap(c => c[1]), alarm].filter(v => v !== null && v > 0);
  const logs = values.map(Math.log10), low = Math.min(...logs) - 0.1, high = Math.max(...logs) + 0.15;
  const x = i => 40 + i / Math.max(1, surprise.length - 1) * (width - 52);
  const y = v => 8 + (high - Math.log10(Math.max(v, 10 ** low))) / (high - low) * (height - 34);
  pen.font = "12px system-ui, sans-serif";
  pen.lineWidth = 2;
  const rule = (x0, y0, x1, y1, name, dash) => {
    pen.strokeStyle = colour(name);
    pen.setLineDash(dash);
    pen.beginPath();
    pen.moveTo(x0, y0);
    pen.lineTo(x1, y1);
    pen.stroke();
    pen.setLineDash([]);
  };
  rule(x(state.frame), 4, x(state.frame), height - 22, "line", []);
  if (event !== undefined) rule(x(event), 4, x(event), height - 22, "alarm", [2, 3]);
  if (alarm !== null) {
    rule(40, y(alarm), width - 12, y(alarm), "alarm", [6, 4]);
    pen.fillStyle = colour("alarm");
    pen.fillText("alarm", 4, y(alarm) + 4);
  }
  for (const [name, values] of curves) {
    pen.strokeStyle = pen.fillStyle = colour(name);
    pen.beginPath();
    let first = true;
    values.forEach((v, i) => {
      if (v === null || i >= surprise.length) return;
      pen[first ? "moveTo" : "lineTo"](x(i), y(v));
      first = false;
    });
    pen.stroke();
    values.forEach((v, i) => {
      if (v === null || i >= surprise.length) return;
      pen.beginPath();
      pen.arc(x(i), y(v), 3, 0, 7);
      pen.fill();
    });
  }
  pen.fillStyle = colour("soft");
  pen.textAlign = "center";
  surprise.forEach((_, i) => { if (i % Math.ceil(surprise.length / 14) === 0) pen.fillText(i, x(i), height - 6); });
  pen.textAlign = "start";
  const now = surprise[state.frame];
  const verdict = now === null ? "nothing was expected of the first frame" :
    alarm !== null && now > alarm ? `${now.toPrecision(3)}: an alarm` : `${now.toPrecision(3)}: no alarm`;
  $("alarm").textContent = `Surprise of frame ${state.frame}: ${verdict}.` + (alarm === null ? "" :
    ` An alarm is what ${100 * state.facts.rate} % of the frames on this page exceed (${alarm.toPrecision(3)}).`) +
    (calm ? ` At frame ${event}: ${state.shown.kind}; in grey the same episode undisturbed.` : "");
}

function show() {
  draw($("now"), state.shown.frames, state.frame);
  $("frame").max = state.shown.frames.count - 1;
  $("frame").value = state.frame;
  $("moment").textContent = state.frame;
  drawMap();
  drawSurprise();
}

function strip(title, pictures, captions, kind) {
  const heading = document.createElement("h3"), row = document.createElement("div");
  heading.textContent = title;
  heading.className = kind;
  row.className = "strip";
  row.tabIndex = 0;
  captions.forEach((caption, i) => {
    if (caption === null) return;
    const figure = document.createElement("figure"), canvas = document.createElement("canvas");
    const words = document.createElement("figcaption");
    draw(canvas, pictures, i);
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${title}, ${caption}`);
    words.textContent = caption;
    figure.append(canvas, words);
    row.append(figure);
  });
  $("strips").append(heading, row);
}

function showPlan() {
  const plan = state.imagined;
  $("plan").hidden = false;
  $("strips").replaceChildren();
  const [first, last] = [plan.distance[0], plan.distance[plan.distance.length - 1]];
  $("told").textContent = `By the model, the plan brings the latent distance to the goal from ` +
    `${first.toPrecision(3)} to ${last.toPrecision(3)}; doing nothing ends at ${plan.baseline.toPrecision(3)}.`;
  strip("Goal", plan.goal, ["goal"], "goal");
  strip("Imagined: the recorded frame nearest to each imagined latent", plan.imagined.frames,
    plan.imagined.places.map((_, i) => `step ${i + 1}, distance ${plan.distance[i + 1].toPrecision(3)}`), "imagined");
  if (state.played) {
    const {frames, reached, words, budget} = state.played, every = Math.ceil(frames.count / 12);
    const end = reached === null ? `missed in ${budget} steps` : `reached ${words} after ${reached} steps`;
    strip(`Played in the world, planning again and again: ${end}`, frames,
      Array.from({length: frames.count}, (_, i) => i % every === 0 || i === reached ? `step ${i}` : null), "played");
  }
}

function plan() {
  const from = {episode: state.episode, frame: state.frame};
  const question = {...from, goal_episode: state.goal.episode, goal_frame: state.goal.frame};
  $("again").disabled = false;
  return attempt("Planning ...", async current => {
    const imagined = await ask("plan", question);
    if (!current()) return;
    state.imagined = {...imagined, from};
    state.played = null;
    showPlan();
    show();
    if (!state.facts.plays) return;
    say("Playing in the world ...");
    try {
      const played = await ask("play", question);
      if (!current()) return;
      state.played = played;
    } catch (error) {
      if (current()) say(`Imagined only. ${error.message}`);
      return;
    }
    showPlan();
    show();
    say("");
  });
}

function choose(episode) {
  return attempt("Loading ...", async current => {
    const shown = await ask("episode", {episode});
    if (!current()) return;
    Object.assign(state, {episode, frame: 0, shown, imagined: null, played: null});
    $("episode").value = episode;
    $("plan").hidden = true;
    show();
  });
}

function disturb(kind) {
  const frame = Math.max(1, state.frame), {episode} = state;
  return attempt(`Disturbing: ${kind} ...`, async current => {
    const calm = state.shown.calm || state.shown.surprise;
    const shown = await ask("disturb", {episode, frame, kind});
    if (!current()) return;
    Object.assign(state, {shown: {...shown, calm}, frame, imagined: null, played: null});
    $("plan").hidden = true;
    show();
  });
}

function nearest(event) {
  const box = $("map").getBoundingClientRect(), at = mapScale(box.width, box.height);
  const [x, y] = [event.clientX - box.left, event.clientY - box.top];
  let best = 0, least = Infinity;
  state.facts.places.forEach((place, i) => {
    const [px, py] = at(place), apart = (px - x) ** 2 + (py - y) ** 2;
    if (apart < least) [best, least] = [i, apart];
  });
  let episode = 0;
  while (best >= state.facts.lengths[episode]) best -= state.facts.lengths[episode++];
  return {episode, frame: best};
}

function move(frame) {
  state.frame = Math.min(Math.max(0, frame), state.shown.frames.count - 1);
  show();
}

function run() {
  clearInterval(state.timer);
  move(0);
  state.timer = setInterval(() => {
    if (state.frame + 1 >= state.shown.frames.count) clearInterval(state.timer);
    else move(state.frame + 1);
  }, 250);
}

function button(kind) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = kind;
  made.addEventListener("click", () => disturb(kind));
  return made;
}

async function start() {
  await attempt("Loading ...", async () => {
    const facts = state.facts = await ask("facts");
    $("about").textContent = `${facts.model} in ${facts.world}. Frames are ${facts.frameskip} rows apart. ` +
      (facts.plays ? "Plans are imagined, then played." : "Plans are imagined only.");
    $("axes").textContent = `Each grey dot is a recorded frame, by ${facts.axes[0]} (to the right) and ` +
      `${facts.axes[1]} (down). A click takes the nearest as the goal.`;
    facts.lengths.forEach((_, i) => $("episode").append(new Option(i, i)));
    facts.kinds.forEach(kind => $("kinds").append(button(kind)));
  });
  if (!state.facts) return;
  await choose(0);
  $("episode").addEventListener("change", event => choose(Number(event.target.value)));
  $("frame").addEventListener("input", event => move(Number(event.target.value)));
  $("run").addEventListener("click", run);
  $("as-goal").addEventListener("click", () => {
    state.goal = {episode: state.episode, frame: Math.min(state.frame, state.facts.lengths[state.episode] - 1)};
    $("again").disabled = false;
    show();
    say("Now choose the frame to plan from.");
  });
  $("again").addEventListener("click", plan);
  $("map").addEventListener("click", event => { state.goal = nearest(event); return plan(); });
  $("surprise").addEventListener("click", event => {
    const box = $("surprise").getBoundingClientRect(), share = (event.clientX - box.left - 40) / (box.width - 52);
    move(Math.round(share * (state.shown.frames.count - 1)));
  });
  window.addEventListener("resize", show);
  document.documentElement.dataset.ready = "yes";
}

start();
