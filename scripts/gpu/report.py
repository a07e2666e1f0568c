"""What a check found: said at once, counted at the end."""


class Report:
    def __init__(self):
        self.passed, self.failed, self.left_out = [], [], []

    def ok(self, text):
        self.passed.append(text)
        print(f"passed: {text}", flush=True)

    def bad(self, text):
        self.failed.append(text)
        print(f"FAILED: {text}", flush=True)

    def without(self, text):
        """What could not be checked, and why."""
        self.left_out.append(text)
        print(f"left out: {text}", flush=True)

    def close(self):
        """The last line, and the exit status."""
        print(f"\n{len(self.passed)} passed, {len(self.failed)} failed, {len(self.left_out)} left out", flush=True)
        return 1 if self.failed or not self.passed else 0
