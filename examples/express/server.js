// A link shortener that keeps its links in a file.
const express = require("express");
const fs = require("node:fs");
const path = require("node:path");
const crypto = require("node:crypto");

const file = path.join(process.env.DATA_DIR || ".", "links.json");
const links = fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, "utf8")) : {};

function save() {
  fs.writeFileSync(`${file}.new`, JSON.stringify(links));
  fs.renameSync(`${file}.new`, file);
}

const app = express();
app.set("trust proxy", true);
app.use(express.urlencoded({ extended: false, limit: "10kb" }));
app.use(express.static("public"));

app.post("/links", (request, response) => {
  let url;
  try {
    url = new URL(request.body.url);
  } catch {
    return response.status(400).send("That is no URL.\n");
  }
  const id = crypto.createHash("sha256").update(url.href).digest("base64url").slice(0, 7);
  links[id] = url.href;
  save();
  const prefix = (request.get("x-forwarded-prefix") || "").replace(/\/$/, "");
  response.status(201).send(`${request.protocol}://${request.get("host")}${prefix}/${id}\n`);
});

app.get("/:id", (request, response) => {
  const url = links[request.params.id];
  if (!url) return response.status(404).send("No such link.\n");
  response.redirect(302, url);
});

const server = app.listen(process.env.PORT || 3000, () => console.log("listening on", server.address().port));
process.on("SIGTERM", () => server.close(() => process.exit(0)));
