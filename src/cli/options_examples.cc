// SPDX-License-Identifier: Apache-2.0
#include "cli/options_examples.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <string>
#include <string_view>

#include "base/strings.h"

namespace weft::cli {
namespace {

struct CommandExample {
  std::string_view command;  // its words; empty: weft itself
  std::string_view text;
};

constexpr CommandExample kExamples[] = {
    {"", "weft run examples/customer-service.yaml -i inquiry=\"I was charged twice\"\n"
         "  weft validate examples/*.yaml\n  weft doctor"},
    {"run", "weft run examples/customer-service.yaml -i inquiry=\"I was charged twice\""},
    {"runs", "weft runs list --status failed"},
    {"runs list", "weft runs list --status failed --limit 5"},
    {"runs show", "weft runs show 01J8Z3 --json"},
    {"runs resume", "weft runs resume --follow"},
    {"runs cancel", "weft runs cancel 01J8Z3 --reason \"sent by mistake\""},
    {"runs signal", "weft runs signal 01J8Z3 paid --payload '{\"amount\": 30}'"},
    {"runs approve", "weft runs approve 01J8Z3 refund --comment \"checked the invoice\""},
    {"runs reject", "weft runs reject 01J8Z3 refund --comment \"no such invoice\""},
    {"runs resolve", "weft runs resolve 01J8Z3 send_mail succeed --output '{\"sent\": true}'"},
    {"runs retry", "weft runs retry 01J8Z3"},
    {"runs fork", "weft runs fork 01J8Z3 --from answer --set tone=friendly"},
    {"runs actions", "weft runs actions --role approver"},
    {"runs delete", "weft runs delete 01J8Z3 --dry-run"},
    {"runs prune", "weft runs prune --older-than 90d --dry-run"},
    {"explain", "weft explain 01J8Z3 answer"},
    {"tools", "weft tools list --workflow examples/support-agent.yaml"},
    {"tools list", "weft tools list --workflow examples/support-agent.yaml --json"},
    {"tools call", "weft tools call get_customer_profile "
                   "--workflow examples/support-agent.yaml -i customer_id=C-1"},
    {"tools import", "weft tools import openapi.yaml --operation findOrder"},
    {"plan", "weft plan examples/customer-service.yaml --config weft.yaml"},
    {"schedules", "weft schedules list"},
    {"schedules add", "weft schedules add nightly.yaml --cron \"30 2 * * *\" "
                      "--timezone Europe/Berlin"},
    {"schedules next", "weft schedules next --cron \"30 8 * * 1-5\" --count 3"},
    {"schedules list", "weft schedules list --json"},
    {"schedules pause", "weft schedules pause nightly"},
    {"schedules resume", "weft schedules resume nightly"},
    {"schedules remove", "weft schedules remove nightly"},
    {"worker", "weft worker --store postgres://weft@db/weft --runs 32"},
    {"keys", "weft keys list"},
    {"keys list", "weft keys list --tenant acme"},
    {"keys revoke", "weft keys revoke k7f2"},
    {"keys rotate", "weft keys rotate k7f2 --grace 24h"},
    {"users", "weft users list"},
    {"users add", "weft users add ada --role operator"},
    {"users passwd", "weft users passwd ada"},
    {"users list", "weft users list --json"},
    {"users remove", "weft users remove ada"},
    {"audit", "weft audit verify"},
    {"audit verify", "weft audit verify --config weft.yaml"},
    {"audit prune", "weft audit prune --keep 400d --dry-run"},
    {"audit export", "weft audit export --format csv > audit.csv"},
    {"backup", "weft backup copy.db"},
    {"store", "weft store seal --store store.db --master-key file:master.key"},
    {"fsck", "weft fsck --store store.db"},
    {"replay", "weft replay 01J8Z3 --verify"},
    {"doctor", "weft doctor --config weft.yaml"},
    {"logits", "echo '{\"tokens\": [1, 2, 3], \"top\": 5}' | weft logits --model ./Qwen3-0.6B"},
    {"tokenize", "echo '{\"text\": \"Hello\"}' | weft tokenize --model default"},
    {"template", "echo '{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]}' | "
                 "weft template"},
    {"models", "weft models list"},
    {"models list", "weft models list --json"},
    {"models show", "weft models show ./Qwen3-0.6B"},
    {"models quantize", "weft models quantize ./Qwen3-0.6B ./Qwen3-0.6B-q4 --type q4"},
    {"models pull", "weft models pull Qwen/Qwen3-0.6B"},
    {"validate", "weft validate examples/*.yaml"},
    {"graph", "weft graph examples/customer-service.yaml --format mermaid"},
};

}  // namespace

void add_examples(CLI::App& app) {
  for (const CommandExample& example : kExamples) {
    CLI::App* command = &app;
    for (const std::string_view word : split(example.command, ' ')) {
      if (!word.empty()) command = command->get_subcommand(std::string(word));
    }
    const char* title = example.command.empty() ? "Examples:\n  " : "Example:\n  ";
    command->footer(command->get_footer() + title + std::string(example.text) + "\n");
  }
}

}  // namespace weft::cli
