// SPDX-License-Identifier: Apache-2.0
#include "cli/sub_workflows.h"

#include <filesystem>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/strings.h"
#include "worker/stored_definitions.h"
#include "workflow/loader.h"

namespace weft::cli {
namespace {

constexpr size_t kSubBytesMax = size_t{16} << 20;
constexpr size_t kDefinitionsMax = 256;

Result<std::string> file_of(const std::string& name, const std::filesystem::path& directory) {
  for (const char* ending : {"", ".yaml", ".yml", ".json"}) {
    const std::string path = (directory / (name + ending)).string();
    if (std::filesystem::is_regular_file(path)) return path;
  }
  return make_error("E0616",
                    fmt::format("no file for sub-workflow {} in {}", quoted(name),
                                quoted(directory.string(), 300)),
                    fmt::format("expected {}.yaml there", name));
}

}  // namespace

Result<worker::Definitions> sub_workflows(const workflow::Workflow& workflow,
                                          const std::string& file) {
  worker::Definitions found;
  std::vector<std::pair<std::string, std::filesystem::path>> todo;
  const auto add = [&](const workflow::Workflow& definition, const std::string& path) {
    const auto directory = std::filesystem::absolute(path).parent_path();
    for (std::string& name : worker::sub_workflow_names(definition)) {
      todo.emplace_back(std::move(name), directory);
    }
  };
  add(workflow, file);
  while (!todo.empty()) {
    const auto [name, directory] = std::move(todo.back());
    todo.pop_back();
    const std::string path = TRY(file_of(name, directory));
    const std::string text = TRY(read_file(path, kSubBytesMax));
    auto definition = TRY(workflow::load_or_error(text, path));
    const auto [place, fresh] = found.emplace(name, definition);
    if (!fresh && place->second->hash == definition->hash) continue;
    if (!fresh || found.size() > kDefinitionsMax) {
      return make_error("E0616",
                        fresh ? fmt::format("more than {} sub-workflows", kDefinitionsMax)
                              : fmt::format("two documents are called {}", quoted(name)),
                        "a name means one document in all of a run");
    }
    add(*definition, path);
  }
  return found;
}

}  // namespace weft::cli
