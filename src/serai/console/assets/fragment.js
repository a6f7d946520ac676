// The secret of a link stands behind its #, where no server sees it: put it into the form, and out of the address.

const field = document.querySelector("[data-fragment]");
const secret = decodeURIComponent(location.hash.slice(1));
if (field && secret) {
  field.value = secret;
  history.replaceState(null, "", location.pathname + location.search);
}
