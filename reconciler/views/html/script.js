"use strict";
(() => {
  const box = document.getElementById("filter");
  const count = document.getElementById("filter-count");
  const toolbar = document.getElementById("filter-field");
  if (!box || !count || !toolbar) return;
  toolbar.hidden = false;

  const groups = [...document.querySelectorAll("tbody[data-group]")].map((body) => {
    const [head, ...rows] = body.rows;
    return {
      body,
      head: head.textContent.toLowerCase(),
      rows: rows.map((row) => ({ row, text: row.textContent.toLowerCase() })),
    };
  });

  const policies = [...document.querySelectorAll("table.matrix")].flatMap((table) => {
    const heads = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
    return [...table.tBodies[0].rows].map((row) => {
      const used = [...row.cells].filter((cell) => cell.childElementCount > 0);
      const text = used.map((cell) => `${heads[cell.cellIndex]} ${cell.textContent}`).join(" ");
      return { row, text: text.toLowerCase(), table };
    });
  });

  const show = () => {
    const wanted = box.value.trim().toLowerCase();
    for (const group of groups) {
      const all = group.head.includes(wanted);
      let any = all;
      for (const { row, text } of group.rows) {
        const hit = all || text.includes(wanted);
        row.hidden = !hit;
        any = any || hit;
      }
      group.body.hidden = !any;
    }
    let shown = 0;
    const used = new Set();
    for (const { row, text, table } of policies) {
      const hit = text.includes(wanted);
      row.hidden = !hit;
      if (hit) {
        shown += 1;
        used.add(table);
      }
    }
    for (const { table } of policies) table.closest(".scroll").hidden = !used.has(table);
    count.textContent = wanted ? `${shown} of ${policies.length} policy rows match` : "";
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
    const text = encodeURIComponent(box.value.trim());
    history.replaceState(null, "", text ? `#filter=${text}` : location.pathname + location.search);
  });
  box.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      box.value = "";
      box.dispatchEvent(new Event("input"));
    }
  });
  window.addEventListener("hashchange", fromAddress);
  fromAddress();
})();
