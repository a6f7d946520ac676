// A folder as a tar stream, as `serai deploy` packs one: names sorted, without owners and times, and without what
// .seraiignore names. What browsers don't tell is guessed: a file that begins with "#!" or as ELF may be executed.

const DEFAULTS = [".git/", ".hg/", ".svn/", "node_modules/", ".venv/", "__pycache__/", "*.pyc", ".DS_Store"];
const MOST = 100000; // files
const OCTETS = 2 ** 30;
const DEEPEST = 32;
const BLOCK = 512;
const text = new TextEncoder();

function expression(pattern) {
  let out = "";
  let rest = pattern;
  while (rest) {
    const set = /^\[(!?)([^\]\\[]+)\]/.exec(rest);
    if (rest.startsWith("**/")) [out, rest] = [`${out}(?:[^/]+/)*`, rest.slice(3)];
    else if (rest.startsWith("**")) [out, rest] = [`${out}.*`, rest.slice(2)];
    else if (rest[0] === "*") [out, rest] = [`${out}[^/]*`, rest.slice(1)];
    else if (rest[0] === "?") [out, rest] = [`${out}[^/]`, rest.slice(1)];
    else if (set) [out, rest] = [`${out}(?!/)[${set[1] ? "^" : ""}${set[2].replace(/\^/g, "\\^")}]`, rest.slice(set[0].length)];
    else {
      if (rest[0] === "\\" && rest.length > 1) rest = rest.slice(1);
      [out, rest] = [out + rest[0].replace(/[.*+?^${}()|[\]\\/]/g, "\\$&"), rest.slice(1)];
    }
  }
  return out;
}

function rule(line) {
  const negated = line.startsWith("!");
  let pattern = negated ? line.slice(1) : line;
  if (/^\\[#!]/.test(pattern)) pattern = pattern.slice(1);
  const folders = pattern.endsWith("/");
  pattern = pattern.replace(/\/+$/, "");
  const prefix = pattern.includes("/") ? "" : "(?:.*/)?";
  return { negated, folders, matches: new RegExp(`^${prefix}${expression(pattern.replace(/^\/+/, ""))}$`, "s") };
}

/** Return what tells whether a path below the root is left out. */
export function ignoring(lines) {
  const given = lines.map((line) => line.replace(/ +$/, "")).filter((line) => line && !line.startsWith("#"));
  const rules = [...DEFAULTS, ...given].map(rule);
  return (path, folder) => rules.reduce(
    (out, { negated, folders, matches }) => ((folder || !folders) && out === negated && matches.test(path) ? !negated : out), false,
  );
}

const linesOf = async (file) => (file ? (await file.slice(0, 65536).text()).split(/\r?\n/) : []);
const fileOf = (entry) => new Promise((resolve, reject) => entry.file(resolve, reject));

async function children(folder) {
  const reader = folder.createReader();
  const found = [];
  for (;;) {
    // It tells a hundred at a time.
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return found;
    found.push(...some);
  }
}

/** Return {path, file} of what was dropped; with `inside`, paths begin below the one folder that it is. */
export async function walk(entries, inside) {
  const top = inside ? await children(entries[0]) : entries;
  const list = top.find((one) => one.isFile && one.name === ".seraiignore");
  const ignores = ignoring(await linesOf(list && (await fileOf(list))));
  const files = [];
  const look = async (some, below, depth) => {
    if (depth > DEEPEST) throw new Error(`${below} lies too deep.`);
    for (const entry of some) {
      const path = below + entry.name;
      if (ignores(path, entry.isDirectory)) continue;
      if (entry.isDirectory) await look(await children(entry), `${path}/`, depth + 1);
      else files.push({ path, file: await fileOf(entry) });
      if (files.length > MOST) throw new Error(`That is more than ${MOST} files: list in .seraiignore what is not needed.`);
    }
  };
  await look(top, "", 1);
  return files;
}

/** Return the same of a folder that was chosen: the list of its files, each with its path. */
export async function fromList(list) {
  const files = list.map((file) => ({ path: file.webkitRelativePath.split("/").slice(1).join("/"), file }));
  const ignores = ignoring(await linesOf(files.find(({ path }) => path === ".seraiignore")?.file));
  return files.filter(({ path }) => {
    const steps = path.split("/");
    return !steps.some((_, at) => ignores(steps.slice(0, at + 1).join("/"), at + 1 < steps.length));
  });
}

/** Return a tar stream as a Blob; `files` are {path, file}. */
export async function pack(files) {
  if (!files.length) throw new Error("There is nothing to deploy in it.");
  if (files.reduce((sum, { file }) => sum + file.size, 0) > OCTETS) throw new Error("That is more than 1 GiB: list in .seraiignore what is not needed.");
  files.sort((one, other) => (one.path < other.path ? -1 : 1));
  const parts = [];
  for (const { path, file } of files) {
    const name = text.encode(path);
    if (name.length > 100) parts.push(header(text.encode("././@LongLink"), name.length + 1, "L", 0o644), name, new Uint8Array(1), padding(name.length + 1));
    parts.push(header(name, file.size, "0", (await runs(file)) ? 0o755 : 0o644), file, padding(file.size));
  }
  return new Blob([...parts, new Uint8Array(2 * BLOCK)]);
}

async function runs(file) {
  const [first, second] = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  return (first === 0x23 && second === 0x21) || (first === 0x7f && second === 0x45);
}

const padding = (octets) => new Uint8Array((BLOCK - (octets % BLOCK)) % BLOCK);

/** A header as GNU tar writes it (POSIX.1 ustar, with its magic). */
function header(name, octets, type, mode) {
  const block = new Uint8Array(BLOCK);
  const write = (at, value) => block.set(text.encode(value), at);
  const octal = (value, digits) => `${value.toString(8).padStart(digits, "0")}\0`;
  block.set(name.subarray(0, 100), 0);
  write(100, octal(mode, 7) + octal(0, 7) + octal(0, 7));
  write(124, octal(octets, 11) + octal(0, 11));
  write(148, "        ");
  write(156, type);
  write(257, "ustar  \0");
  const sum = block.reduce((all, one) => all + one, 0);
  write(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  return block;
}
