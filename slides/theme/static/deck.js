// Shows one slide at a time, and colours code. Keys: arrows, space, Home and End; D: dark or light;
// F: the whole screen; N: the speaker's notes in a window of their own; H: these keys.
"use strict";

const width = 1280, height = 720;
const slides = [...document.querySelectorAll("article")];
const spanish = document.documentElement.lang === "es";
const others = new BroadcastChannel(location.pathname); // the other windows with this deck
const speaker = location.search === "?notes";
let current = 0;

const keys = {
  ArrowRight: 1, ArrowDown: 1, PageDown: 1, " ": 1, Enter: 1,
  ArrowLeft: -1, ArrowUp: -1, PageUp: -1, Backspace: -1,
  Home: -Infinity, End: Infinity,
};

function show(index, tellOthers = true) {
  current = Math.min(Math.max(index, 0), slides.length - 1);
  slides.forEach((slide, i) => slide.classList.toggle("shown", i === current));
  fit(slides[current]);
  history.replaceState(null, "", "#" + slides[current].id);
  if (speaker) speak();
  if (tellOthers) others.postMessage(current);
}

function scale() {
  const factor = Math.min(innerWidth / width, innerHeight / height);
  const left = (innerWidth - width * factor) / 2, top = (innerHeight - height * factor) / 2;
  document.querySelector("main").style.transform = `translate(${left}px, ${top}px) scale(${factor})`;
}

// fit makes a slide's code as large as the slide allows.
function fit(slide) {
  const blocks = slide.querySelectorAll(":scope > .code, :scope > pre");
  for (let size = 27; size >= 20 && blocks.length > 0; size--) {
    blocks.forEach(block => block.style.fontSize = size + "px");
    const wide = [...blocks].some(block => {
      const pre = block.querySelector("pre") || block;
      return pre.scrollWidth > pre.clientWidth;
    });
    const last = slide.querySelector("footer").offsetTop;
    const high = [...slide.children].some(child =>
      child.tagName !== "FOOTER" && child.offsetTop + child.offsetHeight > last - 6);
    if (!wide && !high) break;
  }
}

// rules say what is coloured, by the kind of a file: each line's first match decides, or all of a
// line's matches where the rule has the flag g.
const rules = {
  go: [
    [/^\s*\/\/ POSIX:.*/, "posix"],
    [/\/\/.*$|"(?:[^"\\]|\\.)*"|\b(?:func|for|if|else|switch|case|default|return|range|var|const|type|struct|map|chan|go|defer|select|break|continue|nil)\b/g,
      text => text.startsWith("//") ? "comment" : text.startsWith('"') ? "string" : "keyword"],
  ],
  c: [
    [/\/\*.*?\*\/|\/\/.*$|"(?:[^"\\]|\\.)*"|\b(?:int|char|void|struct|const|unsigned|sizeof|return|if|else|for|while|switch|case|NULL|pid_t|ssize_t|size_t|FILE|sigset_t|socklen_t)\b/g,
      text => text.startsWith("/") ? "comment" : text.startsWith('"') ? "string" : "keyword"],
  ],
  patch: [[/^\+.*/, "plus"], [/^-.*/, "minus"], [/^@@.*/, "comment"]],
  txt: [
    [/^ *▸.*/, "mark"], [/^ *✓.*/, "good"], [/^ *✗.*/, "minus"],
    [/^ +- .*/, "minus"], [/^ +\+ .*/, "plus"], [/^ {0,2}\d+ .*/, "mark"],
    [/^\s*(?:kill\(|order to ).*/, "keyword"], [/^\s*\S+ (?:→|←) .*/, "string"],
  ],
};

function colour(line, kind) {
  const text = line.textContent;
  for (const [pattern, name] of rules[kind] || []) {
    const parts = [];
    let end = 0;
    for (const match of pattern.global ? text.matchAll(pattern) : [text.match(pattern)].filter(Boolean)) {
      const span = document.createElement("span");
      span.className = typeof name === "string" ? name : name(match[0]);
      span.textContent = match[0];
      parts.push(text.slice(end, match.index), span);
      end = match.index + match[0].length;
    }
    if (parts.length > 0) {
      line.replaceChildren(...parts, text.slice(end));
      return;
    }
  }
}

// source names where a figure's code is from: the file and line, or the command that shows it.
function source(figure) {
  const path = figure.dataset.command.split(/\s+/)[1].replace(/^(\.\.\/)+/, "");
  const kind = path.split(".").pop();
  const first = figure.querySelector("[num]");
  const story = path.match(/recorded\/(.+)\.txt$/);
  const caption = document.createElement("figcaption");
  caption.textContent = story ? "make lab-" + story[1].replace(/^0*(\d+)-.*\..*/, "$1") : kind === "patch" ? path : `${path}:${first.getAttribute("num")}`;
  figure.append(caption);
  return kind;
}

// dedent takes away the indentation that all lines have: an excerpt may begin deep in a function.
function dedent(lines) {
  const texts = [...lines].map(line => line.textContent);
  const depth = Math.min(...texts.filter(text => text.trim()).map(text => text.search(/\S/)));
  lines.forEach((line, i) => line.textContent = texts[i].slice(depth));
}

function colourAll() {
  for (const figure of document.querySelectorAll(".code")) {
    const kind = source(figure);
    const lines = figure.querySelectorAll("[num]");
    if (kind === "patch") { // the numbers of a hunk say nothing here
      lines.forEach(line => { if (line.textContent.startsWith("@@")) { line.nextSibling?.remove(); line.remove(); } });
    }
    if (kind === "go") dedent(lines);
    lines.forEach(line => colour(line, kind));
  }
  for (const code of document.querySelectorAll("article > pre > code")) {
    const kind = code.className.replace("language-", "");
    code.replaceChildren(...code.textContent.replace(/\n$/, "").split("\n").flatMap((text, i) => {
      const line = document.createElement("span");
      line.textContent = text;
      colour(line, kind);
      return i === 0 ? [line] : ["\n", line];
    }));
  }
}

// speak shows the notes of the current slide, in the speaker's window.
function speak() {
  const notes = slides[current].querySelector("aside");
  const next = slides[current + 1];
  const panel = document.querySelector("#speaker");
  panel.querySelector("h2").textContent = `${current + 1}/${slides.length}  ${slides[current].querySelector("h1, h2").textContent}`;
  panel.querySelector("div").replaceChildren(...(notes ? [...notes.children].map(p => p.cloneNode(true)) : []));
  panel.querySelector(".next").textContent = next ? (spanish ? "Sigue: " : "Next: ") + next.querySelector("h2").textContent : "";
}

function openSpeaker() {
  document.body.classList.add("speaker");
  const panel = document.createElement("section");
  panel.id = "speaker";
  const clock = document.createElement("span");
  clock.className = "clock";
  const began = Date.now();
  setInterval(() => {
    const seconds = Math.floor((Date.now() - began) / 1000);
    clock.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  }, 1000);
  const next = document.createElement("p");
  next.className = "next";
  panel.append(clock, document.createElement("h2"), document.createElement("div"), next);
  document.body.append(panel);
}

function help() {
  const shown = document.querySelector("#help");
  if (shown) return shown.remove();
  const bar = document.createElement("div");
  bar.id = "help";
  bar.textContent = spanish
    ? "← → diapositivas · D claro u oscuro · F pantalla completa · N notas · H quita esta ayuda"
    : "← → slides · D light or dark · F full screen · N notes · H hides this";
  document.body.append(bar);
}

function dark(on) {
  document.documentElement.classList.toggle("dark", on);
  localStorage.setItem("dark", on ? "1" : "");
}

addEventListener("keydown", event => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const step = keys[event.key];
  switch (true) {
    case step !== undefined: show(current + step); break;
    case event.key === "d" || event.key === "D": dark(!document.documentElement.classList.contains("dark")); break;
    case event.key === "f" || event.key === "F":
      document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen();
      break;
    case event.key === "n" || event.key === "N":
      open(location.pathname + "?notes#" + slides[current].id, "notes", "width=900,height=700");
      break;
    case event.key === "h" || event.key === "H" || event.key === "?": help(); break;
    default: return;
  }
  event.preventDefault();
});

addEventListener("click", event => {
  if (speaker || event.target.closest("a")) return;
  if (event.clientX > innerWidth * 0.85) show(current + 1);
  if (event.clientX < innerWidth * 0.15) show(current - 1);
});

addEventListener("resize", scale);
addEventListener("hashchange", () => show(slides.findIndex(slide => "#" + slide.id === location.hash)));
addEventListener("beforeprint", () => slides.forEach(slide => { slide.classList.add("shown"); fit(slide); }));
addEventListener("afterprint", () => show(current));
others.onmessage = event => show(event.data, false);

dark(localStorage.getItem("dark") === "1");
colourAll();
scale();
if (speaker) openSpeaker();
show(slides.findIndex(slide => "#" + slide.id === location.hash), false);
