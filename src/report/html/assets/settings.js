// What each variant sets differently from the others.

function drawSettings() {
  const { variants } = page.data;
  const some = variants.some((variant) => variant.differences?.length);
  show("settings", some);
  if (!some) return;
  const intro = element("p", { class: "muted" }, "Where each variant leaves the common settings: the value most variants have, "
    + "and of equally frequent ones that of the variant planned first.");
  replace(byId("settings-body"), intro, element("dl", { class: "settings" }, ranked().flatMap((place) => {
    const { differences } = variants[place];
    const rows = differences === null
      ? [element("span", { class: "muted" }, "its configuration cannot be read")]
      : differences.map(difference);
    const body = rows.length ? rows : [element("span", { class: "muted" }, "the common settings")];
    return [element("dt", {}, swatch(place), breakable(label(place))), element("dd", {}, body)];
  })));
}

function difference({ key, common, value }) {
  return element("span", { class: "difference", title: `most variants have ${common}` },
    element("code", {}, key), " ", element("del", {}, common), " → ", element("ins", {}, value));
}
