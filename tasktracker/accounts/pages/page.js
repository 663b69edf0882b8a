// What both pages do: take the token out of the address, send it with the form when a person asks for that, and say what
// came of it. The sentences stand in the page, as templates.

const form = document.querySelector("form");
const status = document.getElementById("status");
const token = takeToken();
let sending = false;

if (token) {
  form.addEventListener("submit", submit);
  form.querySelector("fieldset").disabled = false;
} else {
  end("incomplete");
}

// The token, which from here on is in this variable alone: not in the address bar, nor in the tab's history.
function takeToken() {
  const given = new URLSearchParams(location.search).get("token");
  history.replaceState(null, "", location.pathname);
  return given;
}

async function submit(event) {
  event.preventDefault();
  if (sending) return;
  sending = true;
  blame("");
  say("sending");
  await send();
  sending = false;
}

async function send() {
  let answer, problem;
  try {
    answer = await fetch(form.dataset.to, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token, ...Object.fromEntries(new FormData(form)) }),
      credentials: "omit",
      signal: AbortSignal.timeout(30_000),
    });
    problem = answer.ok ? null : await answer.json().catch(() => ({})); // A proxy may answer with something else.
  } catch {
    return say("unreachable");
  }
  if (answer.ok) return end("done");
  if (answer.status === 422) {
    const faults = (problem?.errors ?? []).filter((fault) => fault.pointer === "/password");
    return faults.length ? blame(faults.map((fault) => fault.message).join(" ")) : end("unusable");
  }
  const seconds = Number(answer.headers.get("Retry-After"));
  if (answer.status === 429) return say("busy", seconds);
  return say([502, 503, 504].includes(answer.status) ? "unavailable" : "failed", seconds);
}

// Shows a sentence; of `seconds` it says when to try again.
function say(name, seconds = 0) {
  const words = document.getElementById(name).content.cloneNode(true);
  const when = words.querySelector("[data-when]");
  if (when && seconds > 0) when.textContent = inWords(seconds);
  status.replaceChildren(words);
}

function inWords(seconds) {
  const format = new Intl.RelativeTimeFormat("en");
  return seconds < 120 ? format.format(seconds, "second") : format.format(Math.ceil(seconds / 60), "minute");
}

// Shows a sentence after which there is nothing to do here.
function end(name) {
  form.hidden = true;
  form.reset();
  say(name);
  status.focus();
}

// Shows what is wrong with the password beside its field, or takes that away.
function blame(message) {
  const field = form.elements.namedItem("password");
  if (!field) return;
  document.getElementById("password-fault").textContent = message;
  field.setAttribute("aria-invalid", Boolean(message));
  if (!message) return;
  status.replaceChildren();
  field.focus();
}
