// SPDX-License-Identifier: Apache-2.0
//
// `weft models pull`: a model from a server that speaks the Hugging Face HTTP API.
//
//   GET ENDPOINT/api/models/OWNER/NAME/revision/REV?blobs=true   the files: name, size, LFS sha256
//   GET ENDPOINT/OWNER/NAME/resolve/COMMIT/FILE                  one file, often by a redirect
//
// A file is FILE.part until it is whole and its SHA-256 is the one the API gave; what is there of
// it after an interruption is continued by a Range request. The token goes to the endpoint only,
// never to where it redirects. Files of the commit that the first answer named, all of them: a
// branch that moves meanwhile mixes nothing.
#pragma once

#include <string>
#include <vector>

namespace weft::cli {

struct PullOptions {
  std::string repository;          // "OWNER/NAME"
  std::string revision = "main";   // branch, tag or commit
  std::vector<std::string> files;  // these only; empty: what a model needs
  std::string directory;           // empty: the user's models directory
  bool json = false;
};

// kExitOk; kExitNotFound no such repository, revision or file; kExitRefused not allowed;
// kExitFailed a transfer that failed or gave other bytes; kExitUsage.
int pull_model(const PullOptions& options);

}  // namespace weft::cli
