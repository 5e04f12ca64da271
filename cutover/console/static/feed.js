// What changes on the page: panels, lines of the log, and whether we still hear anything.

const log = document.getElementById("log");
const connection = document.getElementById("connection");
const SILENCE = 40_000; // ms; the server says something every 15 s
const AGAIN = 3_000; // ms
const KEPT = 2_000; // lines of the log

let newest = Number(document.body.dataset.newest || 0);
let source = null;
let lostSince = null;
let heard = Date.now();

function listen() {
  source?.close();
  source = new EventSource(`/events?after=${newest}`);
  source.addEventListener("open", recovered);
  source.addEventListener("panels", (event) => { alive(); swap(JSON.parse(event.data)); });
  source.addEventListener("lines", (event) => { alive(); add(JSON.parse(event.data)); });
  source.addEventListener("beat", alive);
  source.addEventListener("anew", () => location.reload());
  source.addEventListener("error", failed);
}

function alive() {
  heard = Date.now();
  if (lostSince !== null) recovered();
}

function recovered() {
  heard = Date.now();
  lostSince = null;
  connection.className = "live";
  connection.textContent = "live";
}

function lost() {
  lostSince ??= new Date();
  connection.className = "lost";
  connection.textContent = `connection lost since ${lostSince.toISOString().slice(11, 19)} UTC; what is shown is from then`;
}

// The browser tries again by itself, unless the server answered with an error, and that error it does not tell.
async function failed() {
  lost();
  if (source.readyState !== EventSource.CLOSED) return;
  try {
    if ((await (await fetch("/session")).json()).person === null) {
      connection.textContent = "logged out; a new link is printed at the console's terminal";
      return;
    }
  } catch {
    // Not there either; later again.
  }
  setTimeout(listen, AGAIN);
}

// A line that is cut somewhere on the way says nothing at all.
setInterval(() => {
  if (source.readyState === EventSource.OPEN && Date.now() - heard > SILENCE) {
    lost();
    listen();
  }
}, 5_000);

// Panels: HTML that the server has escaped. The focus, what is typed, what is open and how far one scrolled stays.
function swap(panels) {
  for (const [id, html] of Object.entries(panels)) {
    const panel = document.getElementById(id);
    if (panel === null) continue;
    const kept = standing(panel);
    panel.innerHTML = html;
    restore(panel, kept);
    panel.dispatchEvent(new CustomEvent("swapped", { bubbles: true }));
  }
}

function standing(panel) {
  const focused = panel.contains(document.activeElement) ? document.activeElement : null;
  const named = [...panel.querySelectorAll("[id]")];
  return {
    focus: focused?.id || null,
    selection: typeof focused?.selectionStart === "number" ? [focused.selectionStart, focused.selectionEnd] : null,
    top: panel.scrollTop,
    left: panel.scrollLeft,
    values: named.filter((one) => "value" in one && "defaultValue" in one && one.value !== one.defaultValue).map((one) => [one.id, one.value]),
    open: named.filter((one) => one.localName === "details").map((one) => [one.id, one.open]),
    scrolled: named.filter((one) => one.scrollTop || one.scrollLeft).map((one) => [one.id, one.scrollTop, one.scrollLeft]),
  };
}

function restore(panel, kept) {
  const find = (id) => panel.querySelector(`#${CSS.escape(id)}`);
  for (const [id, value] of kept.values) { const one = find(id); if (one) one.value = value; }
  for (const [id, open] of kept.open) { const one = find(id); if (one) one.open = open; }
  for (const [id, top, left] of kept.scrolled) { const one = find(id); if (one) { one.scrollTop = top; one.scrollLeft = left; } }
  panel.scrollTop = kept.top;
  panel.scrollLeft = kept.left;
  const focused = kept.focus && find(kept.focus);
  if (!focused) return;
  focused.focus({ preventScroll: true });
  if (kept.selection) focused.setSelectionRange?.(...kept.selection);
}

// Lines come in order, and after a reconnect perhaps once more.
function add({ seq, html }) {
  if (seq <= newest) return;
  newest = seq;
  const below = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  log.insertAdjacentHTML("beforeend", html);
  while (log.children.length > KEPT) log.firstElementChild.remove();
  if (below) log.scrollTop = log.scrollHeight;
}

listen();
