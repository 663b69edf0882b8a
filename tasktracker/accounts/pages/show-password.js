// Shows the password while the box is ticked. It is hidden again as it is sent: browsers remember what stood in a text field.

const field = document.getElementById("password");
const box = document.getElementById("show");

function show() {
  field.type = box.checked ? "text" : "password";
}

box.addEventListener("change", show);
field.form.addEventListener("submit", () => {
  box.checked = false;
  show();
});
