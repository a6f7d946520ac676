"""A page that hands work to the platform and shows how it goes."""

import jobs
import serai
from flask import Flask, jsonify, redirect, render_template, request, url_for

app = Flask(__name__)


@app.get("/")
def index():
    return render_template("index.html", tasks=serai.tasks(limit=20))


@app.post("/count")
def count():
    task = jobs.count.delay(int(request.form.get("to", 10)), float(request.form.get("seconds", 0.1)))
    return redirect(url_for("show", task=task.id))


@app.post("/squares")
def squares():
    parts = [jobs.square.call(number) for number in range(1, 5)]
    return redirect(url_for("show", task=serai.group(parts, then=jobs.total.call())[-1].id))


@app.post("/words")
def words():
    task = serai.command(["sh", "-c", 'read text; echo "{\\"result\\": $(echo "$text" | wc -w)}" >&3'], request.form["text"])
    return redirect(url_for("show", task=task.id))


@app.post("/every-minute")
def every_minute():
    serai.schedule("tick", "every 1m", serai.call("jobs:tick"))
    return redirect(url_for("index"))


@app.post("/tasks/<task>/cancel")
def cancel(task):
    serai.cancel(task, "the page's button")
    return redirect(url_for("show", task=task))


@app.get("/tasks/<task>")
def show(task):
    return render_template("task.html", task=serai.get(task))


@app.get("/tasks/<task>.json")
def state(task):
    found = serai.get(task)
    return jsonify(found.as_dict() | {"log": [line["text"] for line in found.log()]})


@app.errorhandler(serai.SeraiError)
def refused(error):
    return {"code": error.code, "detail": str(error)}, error.status or 503
