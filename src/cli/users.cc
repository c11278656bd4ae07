// SPDX-License-Identifier: Apache-2.0
#include "cli/users.h"

#include <fmt/format.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>

#include "base/json.h"
#include "base/strings.h"
#include "cli/audit.h"
#include "cli/config.h"
#include "cli/config_file.h"
#include "cli/exit.h"
#include "cli/lines.h"
#include "cli/run_session.h"
#include "cli/terminal.h"
#include "security/people.h"

namespace weft::cli {
namespace {

using security::Person;

std::string who_acts() { return "local:" + environment("USER").value_or("unknown"); }

// The terminal shows nothing of what is typed while this lives.
class Unseen {
 public:
  Unseen() : terminal_(::isatty(STDIN_FILENO) != 0 && ::tcgetattr(STDIN_FILENO, &before_) == 0) {
    if (!terminal_) return;
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
  }
  Unseen(const Unseen&) = delete;
  ~Unseen() {
    if (!terminal_) return;
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    say("");
  }
  bool terminal() const { return terminal_; }

 private:
  termios before_{};
  const bool terminal_;
};

Result<std::string> read_password() {
  const Unseen unseen;
  InputLines lines;
  std::string_view line;
  if (unseen.terminal()) say_raw("password: ");
  if (!lines.next(line)) {
    return make_error("E0769", "no password was given",
                      "one line on stdin: weft users add NAME --role ROLE < file");
  }
  std::string password(line);
  if (!unseen.terminal()) return password;
  say_raw("\nagain: ");
  if (!lines.next(line) || line != password) {
    return make_error("E0769", "the two passwords differ");
  }
  return password;
}

void note_roles(const std::vector<std::string>& roles) {
  const auto names = security::role_names();
  for (const std::string& role : roles) {
    if (std::find(names.begin(), names.end(), role) != names.end()) continue;
    say(fmt::format("note: {} is none of weft's roles ({}): it counts for approvals only",
                    quoted(role), join(names, ", ")));
  }
}

Result<Person> change(store::Db& db, const UsersOptions& options) {
  if (options.act == "remove") return security::remove_person(db, options.name);
  if (options.act == "passwd") {
    return security::set_password(db, options.name, TRY(read_password()));
  }
  note_roles(options.roles);
  return security::add_person(db, {.name = options.name,
                                   .tenant = options.tenant,
                                   .roles = options.roles,
                                   .password = TRY(read_password()),
                                   .by = who_acts()});
}

void print_people(const std::vector<Person>& people, bool as_json) {
  json::Array out;
  for (const Person& person : people) {
    if (as_json) {
      out.emplace_back(security::to_json(person));
    } else {
      print_data(fmt::format("{}  {}  {}  {}", person.name, join(person.roles, ","),
                             person.tenant.empty() ? "-" : person.tenant,
                             iso8601(person.changed_us)));
    }
  }
  if (as_json) print_data(json::dump(json::Value(std::move(out)), {.indent = 2}));
}

Status act_on(const UsersOptions& options) {
  const Config config = TRY(load_config(options.config));
  const StoreFlags flags = with_config(options.store, config);
  const std::string path = TRY(prepare_store(flags)).path;
  const auto db = TRY(open_store(flags, true));
  if (options.act == "list") {
    print_people(TRY(security::list_people(*db)), options.json);
    return ok_status();
  }
  const Person person = TRY(change(*db, options));
  if (options.json) print_data(json::dump(security::to_json(person)));
  say(fmt::format("{}: {}", options.act, person.name));
  return record_act(*db, config, path,
                    {.tenant = person.tenant, .user = who_acts(), .action = "users:manage",
                     .resource = fmt::format("{} {}", options.act, person.name),
                     .details = json::dump(security::to_json(person))});
}

}  // namespace

int act_on_users(const UsersOptions& options) {
  const Status done = act_on(options);
  if (done.ok()) return kExitOk;
  say_error(done.error());
  if (done.error().code == "E0767") return kExitNotFound;
  return done.error().code == "E0769" ? kExitUsage : kExitConfiguration;
}

}  // namespace weft::cli
