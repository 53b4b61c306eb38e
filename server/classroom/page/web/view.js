// What the page shows, made of what the server tells. Everything that comes from outside is put in as text:
// nothing here reads HTML.

import { texts } from "./texts.js";

let t = texts.en;

export function speak(lang) {
  document.documentElement.lang = texts[lang] ? lang : "en";
  t = texts[document.documentElement.lang];
}

const $ = (selector) => document.querySelector(selector);

/** element makes an element of a class, with children: elements or text. */
function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children.filter((child) => child !== "" && child != null));
  return made;
}

/** state is a process's, as a letter in its colour and, for those who cannot see colours, a word. */
function state(letter) {
  const badge = element("b", `state ${/^[RSDTZ]$/.test(letter) ? letter : "other"}`, letter);
  badge.title = t.states[letter] ?? letter;
  return badge;
}

/** crowd makes room: the more there is to show, the smaller it is shown. */
function crowd(list, n, few, many) {
  list.classList.toggle("some", n > few && n <= many);
  list.classList.toggle("many", n > many);
  list.classList.toggle("crowd", n > 3 * many);
}

const name = (student) => (student === "*" ? t.instructor : student);

export function showHello(hello) {
  document.title = `${hello.title} · posixlab`;
  $("#title").textContent = hello.title;
  $("#join").replaceChildren(element("code", "", t.join()), element("span", "", t.joinAt(hello.host, hello.port)));
  $("#code").hidden = !hello.code;
  $("#code").replaceChildren(element("small", "", t.code), hello.code ?? "");
  $("#qr").alt = t.qr(`http://${hello.shown}:${hello.page}/`);
  $("#qr").title = $("#qr").alt;
  $("#story h2").textContent = t.story;
  $("#table h2").textContent = t.table;
  $("#table meter").setAttribute("aria-label", t.table);
  $("#sockets h2").textContent = t.sockets;
}

export function showView(view, hello) {
  const frozen = view.state === "T";
  document.body.classList.toggle("frozen", frozen);
  showStudents(view.students ?? []);
  showProcesses(view, hello, frozen);
  showTable(view.table);
  showThreads(view.threads ?? [], view.allThreads);
  showSockets(view);
}

function showStudents(students) {
  const here = students.filter((s) => s.connections > 0);
  $("#students h2").textContent = t.students(here.length, students.filter((s) => s.joined).length);
  students.sort((a, b) => (b.connections > 0) - (a.connections > 0) || a.name.localeCompare(b.name));
  $("#students ul").replaceChildren(...students.map((s) => {
    const row = element("li", s.connections ? "" : "gone", element("span", "name", s.name));
    if (s.processes) row.append(element("span", "count", `⚙ ${s.processes}`));
    for (const [lab, score] of Object.entries(s.scores ?? {}).sort()) {
      row.append(element("span", score.passed === score.of ? "score whole" : "score", `${lab.slice(0, 2)}: ${score.passed}/${score.of}`));
    }
    if (s.joined && !s.connections) row.append(element("span", "count", t.gone));
    return row;
  }));
  crowd($("#students ul"), students.length, 11, 22);
  if (!students.length) $("#students ul").replaceChildren(element("li", "none", t.nobody));
}

function showProcesses(view, hello, frozen) {
  const all = Object.values(view.states).reduce((sum, n) => sum + n, 0);
  const counts = Object.entries(view.states).sort().map(([letter, n]) => element("span", "sum", state(letter), ` ${n}`));
  $("#processes h2").replaceChildren(t.processes(all), ...counts);
  const root = element("li", "server", state(view.state || "X"), element("span", "pid", t.server(hello.server)));
  if (frozen) root.append(element("strong", "", t.frozen));
  if (view.pending) root.append(element("strong", "pending", t.pending));
  const shown = view.processes ?? [];
  const rows = shown.map((p) => {
    const row = element("li", `depth${Math.min(p.depth, 6)} is${p.state}`, state(p.state),
      element("span", "pid", String(p.pid)), element("span", "program", p.program));
    if (p.state === "Z") row.append(element("strong", "", t.states.Z));
    if (p.student) row.append(element("span", "owner", name(p.student)));
    return row;
  });
  if (all > shown.length) rows.push(element("li", "none depth1", t.more(all - shown.length)));
  if (!all) rows.push(element("li", "none depth1", t.none));
  crowd($("#processes ol"), rows.length, 9, 22);
  $("#processes ol").replaceChildren(root, ...rows);
}

function showTable(table) {
  const grouped = (n) => n.toLocaleString("en");
  const cut = table.bytes > table.limit;
  const meter = $("#table meter");
  meter.max = table.limit;
  meter.value = table.bytes;
  $("#table").classList.toggle("cut", cut);
  $("#table p").textContent = cut ? t.cut(grouped(table.bytes), grouped(table.limit))
    : t.bytes(grouped(table.bytes), grouped(table.limit), grouped(table.rows));
}

function showThreads(threads, all) {
  $("#threads h2").textContent = t.threads(all);
  crowd($("#threads p"), threads.length, 48, 70);
  $("#threads p").replaceChildren(...threads.map((letter) => state(letter)));
}

function showSockets(view) {
  const counts = Object.entries(view.tcp).filter(([name]) => name !== "LISTEN").sort()
    .map(([name, n]) => element("span", "sum", `${name} ${n}`));
  $("#sockets h2").replaceChildren(t.sockets, ...counts);
  $("#sockets ul").replaceChildren(...(view.sockets ?? []).map((s) => element("li", s.state,
    element("span", "tcp", s.state), element("span", "peer", s.peer ?? ""),
    s.unread ? element("strong", "", s.state === "LISTEN" ? t.queue(s.unread) : t.unread(s.unread)) : "")));
}

/** showLine adds a line to the story, newest first, or changes one that has grown. What is noticed late, as by
    looking at /proc, still stands where it belongs. */
export function showLine(line, lang) {
  const how = line.how?.[lang] ?? "";
  const text = (t.events[line.kind] ?? ((e) => e.kind))({ ...line, student: name(line.student ?? ""), program: line.program?.replace(/^posixlab-/, "") }, how);
  const row = element("li", line.kind, element("time", "", new Date(line.time).toLocaleTimeString("en-GB")),
    element("span", "", text));
  if (t.outcomes[line.outcome]) row.append(element("em", line.outcome, t.outcomes[line.outcome]));
  if (line.kind === "fork" && line.student) row.append(element("span", "owner", name(line.student)));
  row.dataset.number = line.number;
  const list = $("#story ol");
  const before = list.querySelector(`[data-number="${line.number}"]`);
  row.dataset.time = before?.dataset.time ?? Date.parse(line.time);
  if (before) before.replaceWith(row);
  else list.insertBefore(row, [...list.children].find((other) => Number(other.dataset.time) <= Number(row.dataset.time)) ?? null);
  while (list.children.length > 80) list.lastChild.remove();
}

export function forgetStory() {
  $("#story ol").replaceChildren();
}

/** showDoor makes the instructor's buttons. */
export function showDoor(projector, order) {
  $("#door").hidden = !projector;
  $("#door").replaceChildren(...Object.keys(t.orders).map((what) => {
    const button = element("button", what, t.orders[what]);
    button.type = "button";
    button.title = t.orderHelp[what];
    button.addEventListener("click", () => {
      button.disabled = true; // until the next look
      order(what);
    });
    return button;
  }));
}

/** doorFor enables the buttons that mean something now: a server that is frozen does nothing but go on. */
export function doorFor(view) {
  const frozen = view.state === "T";
  for (const button of document.querySelectorAll("#door button")) {
    const what = button.className;
    button.disabled = what === "exit" ? !view.waiters : (what === "thaw") !== frozen;
  }
}

const show = (place, text) => {
  $(place).hidden = !text;
  $(place).textContent = text;
};
export const showLost = (text) => show("#lost", text);
export const showRefused = (text) => show("#refused", text);

export const said = () => t;
