// Adding a passkey (Web Authentication level 3), by the API's own two calls.

import { ask, octets, text } from "./webauthn.js";

const form = document.getElementById("add-passkey");

async function add() {
  const { ticket, options } = await ask("/v1/me/passkeys", { password: form.elements.password?.value ?? "" });
  const wanted = options.publicKey ?? options;
  const made = await navigator.credentials.create({
    publicKey: {
      ...wanted,
      challenge: octets(wanted.challenge),
      user: { ...wanted.user, id: octets(wanted.user.id) },
      excludeCredentials: (wanted.excludeCredentials ?? []).map((one) => ({ ...one, id: octets(one.id) })),
    },
  });
  const answer = {
    id: made.id, rawId: text(made.rawId), type: made.type,
    response: {
      clientDataJSON: text(made.response.clientDataJSON),
      attestationObject: text(made.response.attestationObject),
      transports: made.response.getTransports?.() ?? [],
    },
  };
  await ask("/v1/me/passkeys/answer", { ticket, answer, title: form.elements.title.value });
  location.reload();
}

if (form && window.PublicKeyCredential) {
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const fault = form.querySelector(".fault");
    fault.hidden = true;
    try { await add(); } catch (error) {
      fault.textContent = error.name === "NotAllowedError" ? "No passkey was made." : error.message;
      fault.hidden = false;
    }
  });
}
