// What each variant sets differently from the others.

function drawSettings() {
  const { variants } = page.data;
  const some = variants.some((variant) => variant.differences?.length);
  show("settings", some);
  if (!some) return;
  const intro = element("p", { class: "muted" }, "Where each variant leaves the base: the value the experiment gives "
    + "where no axis does, and for keys that follow from others the value most variants have.");
  replace(byId("settings-body"), intro, element("dl", { class: "settings" }, ranked().flatMap((place) => {
    const { differences } = variants[place];
    const rows = differences === null
      ? [element("span", { class: "muted" }, "its configuration cannot be read")]
      : differences.map(difference);
    const body = rows.length ? rows : [element("span", { class: "muted" }, "as the base")];
    return [element("dt", {}, swatch(place), breakable(label(place))), element("dd", {}, body)];
  })));
}

function difference({ key, base, value }) {
  return element("span", { class: "difference", title: `the base has ${base}` },
    element("code", {}, key), " ", element("del", {}, base), " → ", element("ins", {}, value));
}
