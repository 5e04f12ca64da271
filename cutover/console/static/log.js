// The journal's lines: those that are looked for, and older ones.

const log = document.getElementById("log");
const find = document.getElementById("find");
const boxes = [...document.querySelectorAll("#filter input[type=checkbox]")];
const earlier = document.getElementById("earlier");
const found = document.getElementById("found");

function sift(lines) {
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  const groups = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
  for (const line of lines) {
    const text = words.length ? line.textContent.toLowerCase() : "";
    line.hidden = !groups.has(line.dataset.group) || !words.every((word) => text.includes(word));
  }
  count();
}

function count() {
  const hidden = log.querySelectorAll(":scope > [hidden]").length;
  found.textContent = hidden ? `${log.children.length - hidden} of ${log.children.length} lines` : `${log.children.length} lines`;
}

async function older() {
  const first = log.firstElementChild;
  if (first === null) return;
  earlier.disabled = true;
  try {
    const answer = await fetch(`/lines?before=${first.dataset.seq}`);
    if (!answer.ok) throw new Error(answer.statusText);
    const { lines } = await answer.json();
    const from = log.scrollHeight - log.scrollTop;
    log.insertAdjacentHTML("afterbegin", lines.map((line) => line.html).join("\n"));
    log.scrollTop = log.scrollHeight - from;
    sift(log.children);
    if (!lines.length) {
      found.textContent = "this is the first line";
      return;
    }
  } catch {
    found.textContent = "older lines did not arrive; press again";
  }
  earlier.disabled = false;
}

new MutationObserver((changes) => sift(changes.flatMap((change) => [...change.addedNodes].filter((one) => one.localName === "li")))).observe(log, { childList: true });
find.addEventListener("input", () => sift(log.children));
for (const box of boxes) box.addEventListener("change", () => sift(log.children));
document.getElementById("filter").addEventListener("submit", (event) => event.preventDefault());
earlier.addEventListener("click", older);
log.scrollTop = log.scrollHeight;
count();
