// Signing in with a passkey (Web Authentication level 3), by the API's own two calls.

import { ask, octets, text } from "./webauthn.js";

const button = document.getElementById("passkey");
const fault = document.getElementById("passkey-fault");

async function signIn() {
  fault.hidden = true;
  try {
    const { ticket, options } = await ask("/v1/sessions/passkey");
    const wanted = options.publicKey ?? options;
    const shown = await navigator.credentials.get({
      publicKey: {
        ...wanted,
        challenge: octets(wanted.challenge),
        allowCredentials: (wanted.allowCredentials ?? []).map((one) => ({ ...one, id: octets(one.id) })),
      },
    });
    const answer = {
      id: shown.id, rawId: text(shown.rawId), type: shown.type,
      response: {
        clientDataJSON: text(shown.response.clientDataJSON),
        authenticatorData: text(shown.response.authenticatorData),
        signature: text(shown.response.signature),
        userHandle: shown.response.userHandle ? text(shown.response.userHandle) : null,
      },
    };
    await ask("/v1/sessions/passkey/answer", { ticket, answer });
    const { form } = button;
    if (!form.elements.namedItem("kept")) {
      location.assign(form.elements.namedItem("next").value);
      return;
    }
    // What was typed before the session ended is shown once more, to be sent.
    for (const name of ["login", "password", "code"]) document.getElementById(name).disabled = true;
    form.action = "/resume";
    form.submit();
  } catch (error) {
    fault.textContent = error.name === "NotAllowedError" ? "No passkey was shown." : error.message;
    fault.hidden = false;
  }
}

if (button && window.PublicKeyCredential) {
  button.hidden = false;
  button.addEventListener("click", signIn);
}
