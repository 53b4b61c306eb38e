// The page: it listens to the server's events, shows them, and for the instructor has a door.

import { doorFor, forgetStory, said, showDoor, showHello, showLine, showLost, showView, speak } from "./view.js";

let hello = null;
let view = null;
let story = [];
let lang = new URLSearchParams(location.search).get("lang") ?? localStorage.getItem("lang");
let secret = location.hash.slice(1) || sessionStorage.getItem("door");
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
  if (hello.projector) showDoor(order);
  if (view) {
    showView(view, hello);
    doorFor(view);
  }
  forgetStory();
  for (const line of story) showLine(line, document.documentElement.lang);
}

function listen() {
  const feed = new EventSource("feed"); // which comes back by itself
  feed.addEventListener("hello", (e) => {
    hello = JSON.parse(e.data);
    story = [];
    showLost("");
    showAll();
  });
  feed.addEventListener("view", (e) => {
    view = JSON.parse(e.data);
    if (!hello) return;
    showView(view, hello);
    doorFor(view);
  });
  feed.addEventListener("line", (e) => {
    const line = JSON.parse(e.data);
    story = story.filter((other) => other.number !== line.number).concat(line).slice(-80);
    showLine(line, document.documentElement.lang);
  });
  feed.addEventListener("error", () => {
    showLost(said().lost);
    if (feed.readyState === EventSource.CLOSED) setTimeout(listen, 2000); // it was told to stay away: full, or no feed
  });
}

/** order has the server do something: the answer is seen in what happens. */
async function order(what) {
  const answer = await fetch(`door/${what}`, { method: "POST", headers: { Authorization: `Bearer ${secret}` } }).catch(() => null);
  showLost(answer?.ok ? "" : `${said().refused} (${answer?.status ?? "?"})`);
  return answer?.ok;
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
