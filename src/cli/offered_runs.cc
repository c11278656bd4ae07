// SPDX-License-Identifier: Apache-2.0
#include "cli/offered_runs.h"

#include <filesystem>
#include <utility>

#include "base/file.h"
#include "cli/run_session.h"
#include "cli/sub_workflows.h"
#include "workflow/loader.h"

namespace weft::cli {

Result<server::RunsOptions> offered_runs(const StoreFlags& store, const std::string& files,
                                         const std::vector<std::string>& workflows) {
  server::RunsOptions out;
  out.store = TRY(prepare_store(store));
  if (!files.empty()) out.roots.push_back(std::filesystem::weakly_canonical(files).string());
  for (const std::string& file : workflows) {
    const std::string text = TRY(read_file(file));
    auto workflow = TRY(workflow::load_or_error(text, file));
    auto definitions = TRY(sub_workflows(*workflow, file));
    out.workflows.push_back({std::move(workflow), std::move(definitions)});
  }
  return out;
}

}  // namespace weft::cli
