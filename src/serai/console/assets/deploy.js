// Deploy by dropping a folder: it becomes a tar stream here (of files by reference: none is read into memory as a whole),
// goes to PUT /v1/blobs with its progress shown, and the form is sent with the blob's name in the place of an archive.

import { pack, walk, fromList } from "./tar.js";

const form = document.querySelector("form[data-deploy]");
const drop = form?.querySelector("[data-drop]");
const said = form?.querySelector("[data-said]");
const bar = form?.querySelector("[data-progress]");
let busy = false;

function say(...words) {
  said.replaceChildren(...words);
}

function fail(error) {
  say(error.message);
  if (error.ended) {
    const link = document.createElement("a");
    [link.href, link.target, link.textContent] = ["/sign-in", "_blank", "Sign in in another window"];
    say("Your session has ended. ", link, ", then go on here: all that you chose is still there.");
  }
  said.scrollIntoView({ block: "nearest" });
  bar.hidden = true;
  busy = false;
}

const openedBy = (token) => token.slice(token.indexOf(".") + 1);

/** See that there is a session before anything large is sent. A form that somebody else opened stays theirs: the server
    shows it before it takes it. */
async function ask() {
  const answer = await fetch(location.href);
  if (answer.status === 401) throw Object.assign(new Error("Your session has ended."), { ended: true });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector("form[data-deploy]")?.elements.csrf.value;
  const { csrf } = form.elements;
  if (fresh && openedBy(fresh) === openedBy(csrf.value)) csrf.value = fresh;
}

const size = (octets) => (octets < 1 << 20 ? `${Math.ceil(octets / 1024)} KiB` : `${(octets / (1 << 20)).toFixed(1)} MiB`);

/** An app's name for a folder: its own, as far as that can be one. */
const nameOf = (folder) =>
  folder.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^[0-9-]+/, "").slice(0, 40).replace(/-+$/, "");

function upload(blob) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", `/v1/blobs?tenant=${encodeURIComponent(form.dataset.tenant)}`);
    request.setRequestHeader("content-type", "application/octet-stream");
    request.responseType = "json";
    const progress = bar.querySelector("progress");
    let told = 0;
    request.upload.onprogress = ({ loaded, total }) => {
      progress.value = loaded / total;
      if (Date.now() - told < 1000 && loaded < total) return; // nobody can listen that fast
      told = Date.now();
      say(`Uploading: ${size(loaded)} of ${size(total)}.`);
    };
    request.onload = () => {
      if (request.status === 201) resolve(request.response.blob);
      else reject(new Error(request.response?.detail || `The platform refused it (${request.status}).`));
    };
    request.onerror = () => reject(new Error("The connection broke."));
    request.send(blob);
  });
}

async function deploy(found) {
  if (busy) return;
  const app = form.elements.app;
  if (!app.value && found.name) app.value = nameOf(found.name);
  if (!form.reportValidity()) {
    say("Nothing was sent: fill in what is marked, then drop it again.");
    return;
  }
  busy = true;
  bar.hidden = false;
  try {
    await ask();
    say("Reading the folder…");
    const packed = found.archive ?? (await pack(found.files));
    const blob = await upload(packed);
    say("Uploaded. The release begins…");
    form.enctype = "application/x-www-form-urlencoded";
    form.action = form.dataset.upload;
    form.elements.file.disabled = true;
    const field = document.createElement("input");
    field.type = "hidden";
    field.name = "blob";
    field.value = blob;
    form.append(field);
    form.submit();
  } catch (error) {
    fail(error);
  }
}

async function send(event) {
  event.preventDefault();
  if (busy) return;
  busy = true;
  try {
    await ask();
    form.submit();
  } catch (error) {
    fail(error);
    delete form.dataset.sent;
  }
}

async function dropped(event) {
  event.preventDefault();
  drop.classList.remove("over");
  // The list is empty once the event is over: entries are taken from it before anything is waited for.
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  try {
    if (entries.length === 1 && entries[0].isFile && /\.(tar|tar\.gz|tgz)$/.test(entries[0].name)) {
      const archive = await new Promise((resolve, reject) => entries[0].file(resolve, reject));
      await deploy({ name: archive.name.replace(/\.(tar|tar\.gz|tgz)$/, ""), archive });
      return;
    }
    say("Looking at the folder…");
    const only = entries.length === 1 && entries[0].isDirectory ? entries[0] : null;
    await deploy({ name: only?.name ?? "", files: await walk(only ? [only] : entries, Boolean(only)) });
  } catch (error) {
    say(error.message || "The folder can't be read.");
  }
}

addEventListener("pageshow", () => { busy = false; });

if (drop) {
  form.addEventListener("submit", send);
  const folder = form.querySelector("[data-folder]");
  form.querySelector("[data-choose]").addEventListener("click", () => folder.click());
  folder.addEventListener("change", async () => {
    try {
      const files = [...folder.files];
      if (files.length) await deploy({ name: files[0].webkitRelativePath.split("/")[0], files: await fromList(files) });
    } catch (error) {
      say(error.message);
    }
    folder.value = "";
  });
  drop.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", dropped);
  // A folder that misses the field by a finger's breadth would open in the place of this page.
  for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.preventDefault());
}
