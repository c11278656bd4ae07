// SPDX-License-Identifier: Apache-2.0
//
// The name that Git gives a file's content: SHA-1 of "blob <bytes>\0" and the bytes, by OpenSSL.
// Servers of models say it of small files, of which they say no SHA-256. It shows damage and other
// versions; against somebody who means harm it is too weak.
#pragma once

#include <string>
#include <string_view>

namespace weft {

std::string git_blob_hex(std::string_view bytes);  // 40 digits

}  // namespace weft
