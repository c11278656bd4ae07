// SPDX-License-Identifier: Apache-2.0
//
// `weft models pull`: a model from a server that speaks the Hugging Face HTTP API.
//
//   GET ENDPOINT/api/models/OWNER/NAME/revision/REV?blobs=true   the files: name, size, hash
//   GET ENDPOINT/OWNER/NAME/resolve/COMMIT/FILE                  one file, often by a redirect
//
// Files are FILE.part until all are whole and their hashes those the API gave; what is there of one
// after an interruption is continued by a Range request. A file that lies there already stays only
// if its hash is right too (cli/pull_record.h). The token goes to the endpoint only, never to where
// it redirects. Files of the commit that the first answer named, all of them: a branch that moves
// meanwhile mixes nothing.
#pragma once

#include <string>
#include <vector>

namespace weft::cli {

struct PullOptions {
  std::string repository;          // "OWNER/NAME"
  std::string revision = "main";   // branch, tag or commit
  std::vector<std::string> files;  // these only; empty: what a model needs
  std::string directory;           // empty: by repository and revision, in the user's own
  bool json = false;
};

// kExitOk; kExitNotFound no such repository, revision or file; kExitRefused not allowed;
// kExitFailed a transfer that failed or gave other bytes; kExitUsage.
int pull_model(const PullOptions& options);

}  // namespace weft::cli
