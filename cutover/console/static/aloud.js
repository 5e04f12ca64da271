// What somebody who does not see the page, or looks at another one, has to hear: where the run stands, and who must decide.

const aloud = document.getElementById("told-aloud");
const name = document.title;

function tell() {
  const state = document.querySelector("#head .state")?.textContent.trim() ?? "";
  const asked = document.querySelector("#decide h2") ? "a decision is wanted" : "";
  const still = document.querySelector("#now .alarm")?.textContent.trim() ?? "";
  const words = [state, asked, still.split(";")[0]].filter(Boolean).join("; ");
  document.title = asked || still ? `! ${state} · ${name}` : `${state} · ${name}`;
  if (aloud.textContent !== words) aloud.textContent = words;
}

document.addEventListener("swapped", tell);
tell();
