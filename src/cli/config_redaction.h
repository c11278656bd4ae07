// SPDX-License-Identifier: Apache-2.0
//
// The section `redaction` of weft.yaml: what is taken out of runs before they are shown over HTTP
// or told to callbacks.
//
//   redaction: { kinds: [email, phone, card, resident_number], patterns: ["EMP-#####"],
//                answers: true }
//
// `answers`: what models answer under /v1 too, which goes to whoever asked.
// Nothing unless it is given: whoever asks for an address must get it.
#pragma once

#include "security/redaction.h"

namespace weft::workflow {
class Fields;
}

namespace weft::cli {

struct ConfigScope;

void read_redaction(workflow::Fields& fields, const ConfigScope& scope, security::Redaction& out);

}  // namespace weft::cli
