"""A guest book in a SQLite file."""

import os
import sqlite3
from datetime import datetime, timezone
from pathlib import Path

from flask import Flask, abort, g, redirect, render_template, request, url_for

app = Flask(__name__)
DATABASE = Path(os.environ.get("DATA_DIR", ".")) / "guests.db"


def database():
    if "database" not in g:
        g.database = sqlite3.connect(DATABASE, timeout=10)
        g.database.row_factory = sqlite3.Row
        g.database.execute("create table if not exists entry (id integer primary key, who text, what text, at text)")
    return g.database


@app.teardown_appcontext
def close(_error):
    if "database" in g:
        g.database.close()


@app.get("/")
def index():
    entries = database().execute("select * from entry order by id desc limit 50").fetchall()
    return render_template("index.html", entries=entries)


@app.post("/entries")
def sign():
    who, what = request.form.get("who", "").strip(), request.form.get("what", "").strip()
    if not who or not what or len(who) > 80 or len(what) > 1000:
        abort(400, "Say who you are, and something.")
    at = datetime.now(timezone.utc).isoformat(timespec="seconds")
    with database() as connection:
        connection.execute("insert into entry (who, what, at) values (?, ?, ?)", (who, what, at))
    return redirect(url_for("index"))


@app.get("/entries.json")
def entries():
    return [dict(row) for row in database().execute("select * from entry order by id")]
