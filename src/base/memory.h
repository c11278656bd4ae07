// SPDX-License-Identifier: Apache-2.0
//
// How much memory this process may still take: what the kernel could give without swapping, cut to
// what its control group allows. Read before a model is loaded, so that one that cannot fit is
// refused with a figure instead of being killed half way. An instant's answer: others take memory
// too.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weft {

// Bytes; nothing where the system does not tell.
std::optional<uint64_t> available_memory();

// "MemAvailable:   20112840 kB" in the text of /proc/meminfo, in bytes.
std::optional<uint64_t> available_of_meminfo(std::string_view text);

// What a control group leaves: `limit` is "max" or bytes, `used` bytes; `reclaimable` of them
// (its "inactive_file") the kernel takes back first.
std::optional<uint64_t> left_of_group(std::string_view limit, std::string_view used,
                                      std::string_view stat);

// Gives memory that was freed back to the kernel: after a burst, when nothing is to be done.
void return_freed_memory();

// "512 B", "3.4 KiB", "20.1 GiB".
std::string bytes_text(uint64_t bytes);

}  // namespace weft
