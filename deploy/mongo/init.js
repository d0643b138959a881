// MongoDB's users: one for each process, with a role of its own on the collections that its work takes (roles.json says why).
//
// The mongo image runs it once, on an empty volume. After an upgrade that changed roles.json, or a new password:
//
//     docker compose restart mongo     (which has it see the new files)
//     docker compose exec mongo mongosh "mongodb://root@localhost/admin" /docker-entrypoint-initdb.d/users.js
//
// which asks for the root's password. It can be run any number of times. Passwords come from files, mongo_USER in
// MONGO_PASSWORDS; the database is the one that MONGODB_URI names.
const fs = require("fs");
const { env } = process;

const PLACE = env.MONGO_ROLES ?? "/etc/stormalert/mongo/roles.json";
const PASSWORDS = env.MONGO_PASSWORDS ?? "/run/secrets";
const DATABASE = env.STORM_MONGO_DATABASE ?? "stormalert";

const admin = db.getSiblingDB("admin");

function makeRole(name, privileges) {
  const known = admin.getRole(name);
  if (known) admin.updateRole(name, { privileges, roles: [] });
  else admin.createRole({ role: name, privileges, roles: [] });
}

function makeUser(user, pwd, roles) {
  if (admin.getUser(user)) admin.updateUser(user, { pwd, roles });
  else admin.createUser({ user, pwd, roles });
}

function password(user) {
  return fs.readFileSync(`${PASSWORDS}/mongo_${user}`, "utf8").trim();
}

const roles = JSON.parse(fs.readFileSync(PLACE, "utf8"));
for (const [user, { why: _why, index = false, ...collections }] of Object.entries(roles)) {
  // Everybody may read which version the store has.
  const rights = { ...collections, meta: `find ${collections.meta ?? ""}`.trim() };
  const privileges = Object.entries(rights).map(([collection, actions]) => ({
    resource: { db: DATABASE, collection },
    actions: [...actions.split(" "), ...(index ? ["createIndex"] : [])],
  }));
  makeRole(`storm-${user}`, privileges);
  makeUser(user, password(user), [{ role: `storm-${user}`, db: "admin" }]);
}
// Copies everything and changes nothing: what mongodump needs.
makeUser("backup", password("backup"), [{ role: "backup", db: "admin" }]);
