// Measures of a page, for page_checks.rs and the tests of each page.

var everyButton = () => [...document.querySelectorAll("button")];

/** The texts of the elements that are shown. */
var visible = selector => [...document.querySelectorAll(selector)].filter(e => e.checkVisibility()).map(e => e.textContent);

/** The text that a button copies. */
var textOf = button => button.closest(".block").querySelector("pre").textContent;

/** Text nodes that are shown, with their elements. */
var texts = () => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  for (let node; (node = walker.nextNode()); ) {
    if (node.data.trim() && node.parentElement.checkVisibility()) found.push([node, node.parentElement]);
  }
  return found;
};

var boxes = node => {
  const range = document.createRange();
  range.selectNodeContents(node);
  return [...range.getClientRects()];
};

/** Code that is wider than its block, or cut. */
var wideBlocks = () => [...document.querySelectorAll("pre")].filter(pre => {
  const { left, right } = pre.closest(".block").getBoundingClientRect();
  const isInside = box => box.left >= left && box.right <= right;
  return pre.scrollWidth > pre.clientWidth || ![pre.getBoundingClientRect(), ...boxes(pre)].every(isInside);
}).map(pre => pre.textContent);

/** Texts below a button. */
var coveredTexts = () => everyButton().filter(button => button.checkVisibility()).flatMap(button => {
  const over = button.getBoundingClientRect();
  const covers = box => box.left < over.right && box.right > over.left && box.top < over.bottom && box.bottom > over.top;
  return texts().filter(([node, element]) => element !== button && boxes(node).some(covers)).map(([node]) => node.data);
});

var rgba = color => {
  const [red, green, blue, alpha = 1] = color.match(/[\d.]+/g).map(Number);
  return { red, green, blue, alpha };
};

/** https://www.w3.org/TR/WCAG22/#dfn-relative-luminance */
var luminance = color => {
  const { red, green, blue } = rgba(color);
  const [r, g, b] = [red, green, blue].map(c => c / 255).map(c => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};

/** https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio */
var contrast = (one, other) => {
  const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
};

/** The colour behind an element. */
var background = element => {
  for (let at = element; at; at = at.parentElement) {
    const { backgroundColor } = getComputedStyle(at);
    if (rgba(backgroundColor).alpha === 1) return backgroundColor;
  }
  return "rgb(255, 255, 255)";
};

/** The contrast of each text. */
var contrasts = () => texts().map(([node, element]) => [contrast(getComputedStyle(element).color, background(element)), node.data]);

/** The element with the focus. */
var focus = () => {
  const element = document.activeElement;
  const { outlineStyle, outlineWidth, outlineColor } = getComputedStyle(element);
  const { top, bottom } = element.getBoundingClientRect();
  return {
    label: element.ariaLabel ?? element.textContent,
    style: outlineStyle,
    width: parseFloat(outlineWidth),
    contrast: contrast(outlineColor, background(element.parentElement)),
    isInView: top >= 0 && bottom <= innerHeight,
  };
};

/** The text of a button at its next change, and that of the status. */
var nextText = button => new Promise(resolve => {
  const status = document.querySelector("[role=status]");
  const read = () => resolve({ button: button.textContent, status: status.textContent });
  new MutationObserver(read).observe(button, { childList: true });
});

var changed;
