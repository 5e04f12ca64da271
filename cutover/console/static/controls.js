// What the buttons ask before anything is done. The server checks all of it again, and does one request once.

const dialog = document.getElementById("ask");
const form = document.getElementById("ask-form");
const told = document.getElementById("ask-told");
const go = document.getElementById("ask-go");
const place = (name) => document.getElementById(`ask-${name}`);
const roles = document.body.dataset.roles.split(" ");

let asked = null;

// Who may not press a button sees what it would do, and why not.
function lock(within) {
  for (const button of within.querySelectorAll("button[data-needs]")) {
    if (roles.includes(button.dataset.needs)) continue;
    button.disabled = true;
    button.title = `for the role ${button.dataset.needs}`;
  }
}

function ask(button) {
  const { verb, gate, role, label, says, command } = button.dataset;
  asked = { verb, gate, role, command, once: crypto.randomUUID(), done: false };
  place("title").textContent = label;
  place("says").textContent = says;
  place("command").textContent = command;
  place("approve-label").hidden = !button.dataset.approve;
  for (const name of ["approve", "reason", "environment"]) place(name).value = "";
  go.hidden = false;
  go.disabled = false;
  go.textContent = label;
  tell("", "");
  dialog.showModal();
  place("reason").focus();
}

async function act(event) {
  event.preventDefault();
  if (asked === null || asked.done || go.disabled) return;
  if (place("environment").value.trim() !== document.body.dataset.environment) {
    tell("The name that was typed is not this environment's; nothing was done.", "bad");
    return;
  }
  go.disabled = true;
  tell("being done …", "");
  const words = { environment: place("environment").value, reason: place("reason").value, once: asked.once };
  for (const name of ["gate", "role", "command"]) if (asked[name]) words[name] = asked[name];
  if (place("approve").value.trim()) words.approve = place("approve").value.trim();
  try {
    const answer = await fetch(`/do/${encodeURIComponent(asked.verb)}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Cutover-Token": document.body.dataset.token },
      body: JSON.stringify(words),
    });
    await answered(answer);
  } catch {
    // Nobody knows whether it arrived; asked again with the same `once` it is not done twice.
    tell("No answer came. To press again is safe: it is done once.", "warn");
    go.disabled = false;
  }
}

async function answered(answer) {
  const said = answer.headers.get("Content-Type")?.startsWith("application/json") ? await answer.json() : { error: await answer.text() };
  if (answer.ok) {
    asked.done = true;
    go.hidden = true;
    tell(said.said, "well");
    return;
  }
  tell(said.next ? `${said.error}\nnext: ${said.next}` : said.error, "bad");
  // What was refused was not done: with other words it is another request. What failed may have been done.
  if (answer.status !== 500) asked.once = crypto.randomUUID();
  go.disabled = false;
}

function tell(words, tone) {
  told.textContent = words;
  told.className = tone;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button[data-verb]");
  if (button && !button.disabled) ask(button);
});
document.addEventListener("swapped", (event) => lock(event.target));
form.addEventListener("submit", act);
place("close").addEventListener("click", () => dialog.close());
lock(document);
