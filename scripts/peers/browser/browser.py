"""A headless Chromium with an empty profile, and the few things that are done to a page in it."""

import json
import os
import shutil
import sys
import time

from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

# Runs before any script of the page, by the debugger, which no policy of a page concerns.
WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(`${event.violatedDirective} ${event.blockedURI}`);
});
"""


def check(condition, message):
    if not condition:
        sys.exit(f"FAILED: {message}")


class Page:
    """One browser with one page."""

    def __init__(self, profile, width=1400, height=1000):
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for argument in ("headless", "no-sandbox", "disable-gpu", "disable-background-networking"):
            options.add_argument(f"--{argument}")
        options.add_argument(f"--user-data-dir={profile}")
        options.add_argument(f"--window-size={width},{height}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        # The driver is named, so that nothing looks for one on the network.
        service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
        os.environ["SE_OFFLINE"] = "true"
        self.driver = webdriver.Chrome(options=options, service=service)
        self.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
        # Nothing may still be scrolling when it is clicked at.
        still = [{"name": "prefers-reduced-motion", "value": "reduce"}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": still})
        self.requests = []

    def open(self, address):
        self.driver.get(address)
        self.wait(lambda: self.all("#summary:not([hidden])"), f"{address} shows nothing")

    def wait(self, condition, message, seconds=20):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = condition()
            if found:
                return found
            time.sleep(0.1)
        check(False, message)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector):
        found = self.all(selector)
        check(len(found) > 0, f"the page has no {selector}")
        return found[0]

    def run(self, script, *arguments):
        return self.driver.execute_script(f"return {script}", *arguments)

    def attributes(self, selector, name):
        script = "[...document.querySelectorAll(arguments[0])].map((node) => node.getAttribute(arguments[1]))"
        return self.run(script, selector, name)

    def text(self, selector):
        return self.run("document.querySelector(arguments[0]).textContent", selector)

    def choose(self, selector, value):
        Select(self.one(selector)).select_by_value(value)

    def click(self, selector):
        element = self.one(selector)
        self.run("arguments[0].scrollIntoView({ block: 'center', behavior: 'instant' })", element)
        element.click()

    def press(self, element, *keys):
        self.run("arguments[0].focus()", element)
        ActionChains(self.driver).send_keys(*keys).perform()

    def drag(self, element, start, end):
        """From one share of the element's width to another, at its middle."""
        self.run("arguments[0].scrollIntoView({ block: 'center', behavior: 'instant' })", element)
        width = element.size["width"]
        actions = ActionChains(self.driver)
        actions.move_to_element_with_offset(element, int((start - 0.5) * width), 0).click_and_hold()
        actions.move_to_element_with_offset(element, int(((start + end) / 2 - 0.5) * width), 3)
        actions.move_to_element_with_offset(element, int((end - 0.5) * width), 3).release().perform()

    def addresses(self):
        """Every address that was asked for since the last look."""
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                self.requests.append(message["params"]["request"]["url"])
        return self.requests

    def is_clean(self, name, allowed):
        """No complaint of the browser, and no request but to what begins so."""
        said = [entry["message"] for entry in self.driver.get_log("browser")]
        check(not said, f"{name}: the console says {said}")
        check(not self.run("window.violations"), f"{name}: policy violations {self.run('window.violations')}")
        # The browser's own first page is none of ours.
        others = [address for address in self.addresses() if not address.startswith((*allowed, "chrome://"))]
        check(not others, f"{name}: requests to {others[:3]}")
        self.requests = []

    def quit(self):
        self.driver.quit()
