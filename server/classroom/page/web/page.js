// The page: it listens to the server's events, shows them, and for the instructor has a door.

import { doorFor, forgetStory, said, showDoor, showHello, showLine, showLost, showRefused, showView, speak } from "./view.js";

let hello = null;
let view = null;
let story = [];
let lang = new URLSearchParams(location.search).get("lang") ?? localStorage.getItem("lang");
let heard = Date.now();
let secret = location.hash.slice(1) || sessionStorage.getItem("door");
addEventListener("hashchange", () => location.reload()); // another class's secret
if (location.hash) {
  sessionStorage.setItem("door", secret);
  history.replaceState(null, "", location.pathname + location.search); // nobody reads it from the projector
}

function showAll() {
  speak(lang ?? hello?.lang ?? "en");
  document.querySelector("#lang").textContent = said().other;
  document.querySelector("#theme").textContent = isDark() ? said().light : said().dark;
  if (!hello) return;
  showHello(hello);
  showDoor(hello.projector, order);
  if (view) {
    showView(view, hello);
    doorFor(view);
  }
  forgetStory();
  for (const line of story) showLine(line, document.documentElement.lang);
}

let feed = null;

function listen() {
  feed?.close();
  feed = new EventSource("feed"); // which comes back by itself
  const on = (name, what) => feed.addEventListener(name, (e) => {
    heard = Date.now();
    what(JSON.parse(e.data));
  });
  on("hello", (data) => {
    hello = data;
    story = [];
    showLost("");
    showAll();
  });
  on("view", (data) => {
    view = data;
    if (!hello) return;
    showView(view, hello);
    doorFor(view);
  });
  on("lines", (lines) => {
    for (const line of lines ?? []) {
      story = story.filter((other) => other.number !== line.number).concat(line).slice(-80);
      showLine(line, document.documentElement.lang);
    }
  });
  on("alive", () => {});
  feed.addEventListener("error", () => {
    showLost(said().lost);
    if (feed.readyState === EventSource.CLOSED) setTimeout(listen, 2000); // it was told to stay away: full, or no feed
  });
}

// A network that is gone says nothing. The server says every 15 s that it is there.
setInterval(() => {
  if (Date.now() - heard < 40_000) return;
  heard = Date.now();
  showLost(said().lost);
  listen();
}, 5000);

/** order has the server do something: the answer is seen in what happens. */
async function order(what) {
  const answer = await fetch(`door/${what}`, {
    method: "POST", headers: { Authorization: `Bearer ${secret}` }, signal: AbortSignal.timeout(3000),
  }).catch(() => null);
  showRefused(answer?.ok ? "" : `${said().refused} (${answer?.status ?? "?"})`);
}

const prefersDark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (localStorage.getItem("theme") ?? (prefersDark.matches ? "dark" : "light")) === "dark";
const paint = () => document.documentElement.classList.toggle("dark", isDark());
prefersDark.addEventListener("change", () => { paint(); showAll(); });

document.querySelector("#theme").addEventListener("click", () => {
  localStorage.setItem("theme", isDark() ? "light" : "dark");
  paint();
  showAll();
});
document.querySelector("#lang").addEventListener("click", () => {
  lang = document.documentElement.lang === "es" ? "en" : "es";
  localStorage.setItem("lang", lang);
  showAll();
});

paint();
showAll();
if (secret) await order("open");
listen();
