// Logging in by the token in a link's fragment, and logging out.

const JSON_TYPE = { "Content-Type": "application/json" };

async function enter() {
  const token = location.hash.slice(1);
  if (!token) return;
  // First of all: neither the history nor a bookmark keeps it.
  history.replaceState(null, "", location.pathname);
  try {
    const answer = await fetch("/session", { method: "POST", headers: JSON_TYPE, body: JSON.stringify({ token }) });
    if (answer.ok) location.replace("/");
    else tell((await answer.text()).trim());
  } catch {
    tell("The console does not answer. Is it still running?");
  }
}

async function leave() {
  const headers = { ...JSON_TYPE, "X-Cutover-Token": document.body.dataset.token };
  try {
    await fetch("/session/end", { method: "POST", headers, body: "{}" });
  } finally {
    location.replace("/");
  }
}

// A link that another site or a chat opens brings no cookie along (SameSite=Strict), although there may be a session.
async function known() {
  if (document.body.dataset.token || location.hash) return;
  try {
    if ((await (await fetch("/session")).json()).person !== null) location.replace("/");
  } catch {
    // The page says already how one gets in.
  }
}

function tell(text) {
  const place = document.getElementById("told") ?? document.getElementById("connection");
  place.textContent = text;
  place.dataset.refused = "";
}

// A link that is pasted where the page is open already changes nothing but the fragment.
addEventListener("hashchange", enter);
document.getElementById("logout")?.addEventListener("click", leave);
known();
enter();
