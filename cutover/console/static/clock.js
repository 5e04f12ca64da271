// Times that go on by themselves: how long something has lasted, how long it still may, and how much of a soak is over.

const ahead = (Number(document.body.dataset.now) || Date.now() / 1000) * 1000 - Date.now(); // the server's clock, seen from ours
const UNITS = [[86_400, "d"], [3_600, "h"], [60, "min"], [1, "s"]];

export function now() {
  return (Date.now() + ahead) / 1000;
}

// As the program says it: 12 s, 4 min 10 s, 2 d 3 h.
export function span(seconds) {
  let left = Math.max(0, Math.round(seconds));
  if (left < 120) return `${left} s`;
  const parts = [];
  for (const [size, unit] of UNITS) {
    const count = Math.floor(left / size);
    if (count) parts.push(`${count} ${unit}`);
    left -= count * size;
  }
  return parts.slice(0, 2).join(" ");
}

function tick(within) {
  for (const one of within.querySelectorAll("time[data-since]")) put(one, span(now() - Number(one.dataset.since)));
  for (const one of within.querySelectorAll("time[data-until]")) put(one, span(Number(one.dataset.until) - now()));
  for (const one of within.querySelectorAll("progress[data-from]")) one.value = Math.min(one.max, now() - Number(one.dataset.from));
}

function put(one, words) {
  if (one.textContent !== words) one.textContent = words;
}

document.addEventListener("swapped", (event) => tick(event.target));
setInterval(() => tick(document), 1_000);
tick(document);
