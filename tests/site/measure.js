// What a page shows, as plain data. Every function returns a list of what is wrong, or of what was found.
window.measure = (() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const name = (element) => {
    const label = element.id ? `#${element.id}` : [...element.classList].map((each) => `.${each}`).join("");
    return element.tagName.toLowerCase() + label;
  };
  const visible = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true });

  // Colours in any notation, as red, green, blue and opacity.
  const parsed = new Map();
  const colour = (text) => {
    if (!parsed.has(text)) {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = text;
      canvas.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
      parsed.set(text, [r, g, b, a / 255]);
    }
    return parsed.get(text);
  };
  const over = ([r, g, b, a], below) => [r, g, b].map((value, i) => a * value + (1 - a) * below[i]);
  // What is behind the text of an element, and how much of the text is there; `known` is for one theme.
  const ground = (element, known) => {
    if (element === null) return { below: [255, 255, 255], opacity: 1 };
    if (!known.has(element)) {
      const { below, opacity } = ground(element.parentElement, known);
      const style = getComputedStyle(element);
      known.set(element, {
        below: over(colour(style.backgroundColor), below),
        opacity: opacity * Number(style.opacity),
      });
    }
    return known.get(element);
  };

  // The relative luminance and the contrast of WCAG 2.
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (one, other) => {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };

  // The elements whose text has too little contrast, the first of each kind.
  const contrast = () => {
    const faults = new Map();
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const seen = new Set();
    const known = new Map();
    let count = 0;
    while (texts.nextNode()) {
      const element = texts.currentNode.parentElement;
      if (!texts.currentNode.data.trim() || seen.has(element) || !visible(element)) continue;
      seen.add(element);
      count += 1;
      const style = getComputedStyle(element);
      const { below, opacity } = ground(element, known);
      const [r, g, b, a] = colour(style.color);
      const found = ratio(over([r, g, b, a * opacity], below), below);
      const size = parseFloat(style.fontSize);
      const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      if (found < (large ? 3 : 4.5)) {
        const kind = `${name(element.parentElement)} > ${name(element)}`;
        faults.set(kind, `${kind} "${texts.currentNode.data.trim().slice(0, 30)}": ${found.toFixed(2)}`);
      }
    }
    return { count, faults: [...faults.values()] };
  };

  // What a reader of a narrow screen can't see, or only after scrolling the whole page sideways.
  const shortened = (element) => getComputedStyle(element).textOverflow === "ellipsis";
  const scrolls = (element) =>
    !element.matches(".bd-article-container") &&
    (["auto", "scroll"].includes(getComputedStyle(element).overflowX) || scrolls(element.parentElement));
  const outside = () => {
    const width = document.scrollingElement.scrollWidth;
    const faults = width > innerWidth ? [`the page is ${width} pixels wide`] : [];
    const range = document.createRange();
    for (const element of document.querySelectorAll(".bd-article-container *")) {
      const boxes = [element.getBoundingClientRect()];
      for (const text of element.childNodes) {
        if (text.nodeType !== Node.TEXT_NODE) continue;
        range.selectNode(text);
        boxes.push(range.getBoundingClientRect());
      }
      const right = Math.max(...boxes.map((box) => box.right));
      if (right > innerWidth && visible(element) && !shortened(element) && !scrolls(element)) {
        faults.push(`${name(element)} "${element.textContent.trim().slice(0, 30)}" ends at ${Math.round(right)}`);
      }
    }
    return faults;
  };

  const images = () => [
    ...[...document.querySelectorAll("img")]
      .filter((image) => !image.alt.trim())
      .map((image) => `${image.getAttribute("src")} has no alternative text`),
    ...[...document.images].filter((image) => image.naturalWidth === 0).map((image) => `${image.src} is not loaded`),
    ...[...document.querySelectorAll("svg")]
      .filter((svg) => svg.ariaHidden !== "true" && !svg.ariaLabel && !svg.querySelector("title"))
      .map((svg) => `${name(svg)} in ${name(svg.parentElement)} is neither hidden nor described`),
  ];

  const figures = () => [...document.querySelectorAll("img[class*=sphx-glr-]")].map((image) => image.alt);

  const formulas = () => {
    const shown = [...document.querySelectorAll("math")].filter(visible);
    const boxes = shown.map((formula) => formula.getBoundingClientRect());
    const faults = shown.filter((_, i) => !boxes[i].width || !boxes[i].height).map((formula) => formula.outerHTML);
    return { count: shown.length, faults };
  };

  // What shows where the focus is: on the element, on a part of it, or on the box around a field.
  const ring = (element) =>
    [element.parentElement, element, ...element.querySelectorAll("*")].map((each) => {
      const style = getComputedStyle(each);
      return [style.outlineStyle === "none" ? "" : `${style.outlineWidth} ${style.outlineColor}`, style.boxShadow];
    }).join();
  const before = new WeakMap();
  const remember = () => {
    const stops = document.querySelectorAll("a, button, input, summary, pre, div, [tabindex]");
    stops.forEach((element) => before.set(element, ring(element)));
  };
  const focus = () => {
    const element = document.activeElement;
    const places = Object.entries({
      "skip link": "#pst-skip-link",
      search: ".search-button, .search-button__button, input[type=search]",
      navigation: "nav, header",
      content: "main",
    });
    const boxes = [element, ...element.querySelectorAll("*")].map((each) => each.getBoundingClientRect());
    return {
      name: `${name(element)} "${element.textContent.trim().slice(0, 30)}"`,
      places: places.filter(([_, selector]) => element.closest(selector)).map(([place]) => place),
      visible: ring(element) !== before.get(element) && boxes.some((box) => box.width > 0 && box.height > 0),
    };
  };

  return {
    contrast,
    outside,
    images,
    figures,
    formulas,
    remember,
    focus,
    links: () => [...document.querySelectorAll("a[href]")].map((link) => link.href),
    names: () => [...document.querySelectorAll("[id]")].map((each) => each.id),
  };
})();
