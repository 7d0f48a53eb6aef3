"use strict";
(() => {
  const every = (selector, within = document) => [...within.querySelectorAll(selector)];
  const toolbar = document.getElementById("toolbar");
  if (!toolbar) return;
  toolbar.hidden = false;

  const box = document.getElementById("filter");
  const count = document.getElementById("filter-count");
  const policies = every("[data-block]");
  const wasOpen = new Map(every("section:not(.alert) details:not(.legend)").map((details) => [details, details.open]));
  const text = (element) => element.textContent.toLowerCase();
  const blocks = policies.map((block) => ({
    block,
    head: text(block.querySelector("summary")),
    rows: every("[data-row]", block).map((row) => ({ row, words: text(row) })),
  }));
  const parts = every("[data-part]");
  const targets = every("#targets tbody tr").map((row) => ({ row, words: text(row) }));

  const show = () => {
    const wanted = box.value.trim().toLowerCase();
    let shown = 0;
    for (const { block, head, rows } of blocks) {
      const all = head.includes(wanted);
      let hits = 0;
      for (const { row, words } of rows) {
        row.hidden = !(all || words.includes(wanted));
        hits += row.hidden ? 0 : 1;
      }
      block.hidden = !(all || hits);
      shown += block.hidden ? 0 : 1;
    }
    for (const part of parts) part.hidden = every("[data-block]", part).every((it) => it.hidden);
    for (const { row, words } of targets) row.hidden = !words.includes(wanted);
    for (const [details, open] of wasOpen) details.open = wanted ? true : open;
    count.textContent = wanted ? `${shown} of ${blocks.length} policies match` : "";
  };

  const fromAddress = () => {
    const match = /^#filter=(.*)$/.exec(location.hash);
    if (!match) return;
    try {
      box.value = decodeURIComponent(match[1]);
    } catch {
      box.value = match[1];
    }
    show();
  };

  box.addEventListener("input", () => {
    show();
    const words = encodeURIComponent(box.value.trim());
    history.replaceState(null, "", words ? `#filter=${words}` : location.pathname + location.search);
  });
  box.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      box.value = "";
      box.dispatchEvent(new Event("input"));
    }
  });

  const setAll = (open) => () => {
    for (const details of [...parts, ...policies]) details.open = open;
  };
  document.getElementById("open-all").addEventListener("click", setAll(true));
  document.getElementById("close-all").addEventListener("click", setAll(false));

  const reveal = () => {
    const target = /^#(policy|unknown)-\d+$/.test(location.hash) && document.querySelector(location.hash);
    for (let at = target; at; at = at.parentElement) if (at.matches("details")) at.open = true;
    if (target) (target.closest("details") ?? target).scrollIntoView();
  };

  const body = document.querySelector("#targets tbody");
  const sort = (head, direction) => {
    const key = head.dataset.sort;
    const value = (row) => row.dataset[key];
    const order = (a, b) => (key === "name" ? a.localeCompare(b) : Number(a) - Number(b));
    const sign = direction === "ascending" ? 1 : -1;
    const rows = [...body.rows].sort((first, second) => {
      const [a, b] = [value(first), value(second)];
      if (!a || !b) return (a ? 0 : 1) - (b ? 0 : 1); // what is not known stands last in any order
      return sign * order(a, b);
    });
    body.append(...rows);
    for (const other of every("#targets th[data-sort]")) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", direction);
  };
  for (const head of every("#targets th[data-sort]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const first = head.dataset.sort === "name" ? "ascending" : "descending";
      const second = first === "ascending" ? "descending" : "ascending";
      sort(head, head.getAttribute("aria-sort") === first ? second : first);
    });
  }

  let beforePrint = [];
  window.addEventListener("beforeprint", () => {
    beforePrint = every("details:not([open])");
    for (const details of beforePrint) details.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const details of beforePrint) details.open = false;
  });
  const fromHash = () => {
    fromAddress();
    reveal();
  };
  window.addEventListener("hashchange", fromHash);
  fromHash();
})();
