#!/usr/bin/env python3
"""Opens an HTML file in headless Chromium and prints, as JSON, what is to be seen there: read_page.py BROWSER PAGE [FOLDER].

With FOLDER it leaves pictures of the whole page there, to be looked at: light and dark, for a desk and for a phone.
Talks to the browser through a pipe, so that it needs neither a port nor a package beside the standard library.
"""

import base64
import fcntl
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

SIZES = {"desk": (1280, 900), "phone": (390, 844)}

# What a reader gets: text of the page and numbers of what is drawn.
FACTS = """(() => {
  const points = shape => shape.points ? shape.points.length : 1;
  const charts = [...document.querySelectorAll('.chart > svg, .mini > svg')].map(svg => ({
    label: svg.getAttribute('aria-label'),
    curves: Object.fromEntries([...svg.querySelectorAll('.curve')].map(group => [group.dataset.name,
      [...group.querySelectorAll('polyline, circle')].reduce((sum, shape) => sum + points(shape), 0)])),
    bars: svg.querySelectorAll('.bar').length,
    inside: [...svg.querySelectorAll('.curve > :not(title), .bar')].every(shape => {
      const box = shape.getBoundingClientRect(), frame = svg.getBoundingClientRect();
      return box.left >= frame.left - 1 && box.right <= frame.right + 1 && box.top >= frame.top - 1 && box.bottom <= frame.bottom + 1;
    }),
  }));
  return {
    sections: [...document.querySelectorAll('section')].map(section => section.id),
    charts,
    pictures: [...document.querySelectorAll('.picture img')].map(image => image.complete && image.naturalWidth > 0),
    boxes: document.querySelectorAll('.gallery .box').length,
    // Not what is folded away or hidden by choice.
    text: document.body.innerText.replace(/\\s+/g, ' '),
  };
})()"""

# How far the page is wider than the window.
OVERFLOW = "document.scrollingElement.scrollWidth - document.documentElement.clientWidth"
COLOURS = "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"


class Browser:
    def __init__(self, program, profile):
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (theirs_in, theirs_out)]

        def as_it_expects():
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self.process = subprocess.Popen(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
             "--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank"],
            preexec_fn=as_it_expects, pass_fds=(3, 4), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for fd in (theirs_in, theirs_out, *high):
            os.close(fd)
        self.reader, self.writer = os.fdopen(ours_in, "rb"), os.fdopen(ours_out, "wb")
        self.events, self.last_id, self.session = [], 0, None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def receive(self):
        message = bytearray()
        while (byte := self.reader.read(1)) != b"\0":
            if not byte:
                sys.exit("the browser has closed the pipe")
            message += byte
        return json.loads(message)

    def call(self, method, **parameters):
        self.last_id += 1
        message = {"id": self.last_id, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.writer.write(json.dumps(message).encode() + b"\0")
        self.writer.flush()
        while True:
            answer = self.receive()
            if answer.get("id") == self.last_id:
                if "error" in answer:
                    sys.exit(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def load(self, url):
        self.events.clear()
        self.call("Page.navigate", url=url)
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self.receive())
        self.evaluate("Promise.all([...document.images].map(image => image.decode()))", awaitPromise=True)

    def evaluate(self, expression, **options):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, **options)
        if "exceptionDetails" in result:
            sys.exit(f"{expression[:200]}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def look(self, size, dark):
        width, height = SIZES[size]
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=size == "phone")
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def picture(self, file):
        content = self.call("Page.getLayoutMetrics")["cssContentSize"]
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True,
                         clip={"x": 0, "y": 0, "width": content["width"], "height": content["height"], "scale": 1})
        file.write_bytes(base64.b64decode(shot["data"]))

    def messages(self):
        """Whatever the console has, and errors of scripts."""
        said = []
        for event in self.events:
            parameters = event.get("params", {})
            if event.get("method") == "Runtime.consoleAPICalled":
                said.append(str(parameters["args"]))
            if event.get("method") == "Runtime.exceptionThrown":
                said.append(str(parameters["exceptionDetails"]))
            if event.get("method") == "Log.entryAdded":
                said.append(parameters["entry"]["text"])
        return said

    def requests(self):
        urls = [event["params"]["request"]["url"] for event in self.events
                if event.get("method") == "Network.requestWillBeSent"]
        return [url for url in urls if not url.startswith("data:")]

    def middle_of(self, selector):
        return self.evaluate(f"""(() => {{
            const element = document.querySelector({json.dumps(selector)});
            element.scrollIntoView({{block: 'center', behavior: 'instant'}});
            const box = element.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];
        }})()""")

    def close(self):
        self.call("Browser.close")
        self.process.wait(timeout=30)


def conveniences(browser):
    """What the page's script adds, as far as the page has it."""
    found = {}
    if browser.evaluate("!!document.querySelector('.chart .curve')"):
        chart = ".chart:has(.curve) > svg"
        x, y = browser.middle_of(chart)
        browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        found["values"] = browser.evaluate("document.querySelector('.values')?.innerText")
        if browser.evaluate("!!document.querySelector('.chart:has(.curve) .legend input')"):
            hide = "document.querySelector('.chart:has(.curve) .legend input')"
            browser.evaluate(hide + ".click()")
            found["hidden"] = browser.evaluate(
                "getComputedStyle(document.querySelector('.chart:has(.legend input) .curve.c1')).visibility")
            browser.evaluate(hide + ".click()")
    if browser.evaluate("!!document.querySelector('#classes table')"):
        column = "[...document.querySelectorAll('#classes tbody tr')].map(row => row.cells[1].innerText)"
        browser.evaluate("document.querySelectorAll('#classes thead button')[1].click()")
        found["sorted"] = browser.evaluate(column)
    if browser.evaluate("!!document.querySelector('.picture')"):
        width = "document.querySelector('.picture').getBoundingClientRect().width"
        before = browser.evaluate(width)
        browser.evaluate("document.querySelector('.picture').click()")
        found["enlarged"] = browser.evaluate(width) > before
    return found


def main(program, page, folder=None):
    url = pathlib.Path(page).resolve().as_uri()
    profile = tempfile.mkdtemp(prefix="rcnn_browser_")
    browser = Browser(program, profile)
    try:
        browser.look("desk", dark=False)
        browser.load(url)
        facts = browser.evaluate(FACTS)
        facts["overflow"], facts["colours"] = {}, {}
        for size in SIZES:
            for dark in (False, True):
                browser.look(size, dark)
                facts["overflow"][size] = browser.evaluate(OVERFLOW)
                facts["colours"]["dark" if dark else "light"] = browser.evaluate(COLOURS)
                if folder:
                    browser.picture(pathlib.Path(folder) / f"{size}_{'dark' if dark else 'light'}.png")
        browser.look("desk", dark=False)
        facts["conveniences"] = conveniences(browser)
        facts["console"], facts["requests"] = browser.messages(), browser.requests()
        browser.call("Emulation.setScriptExecutionDisabled", value=True)
        browser.load(url)
        facts["without_scripts"] = browser.evaluate(FACTS)
        json.dump(facts, sys.stdout)
    finally:
        browser.close()
        shutil.rmtree(profile, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
