// SPDX-License-Identifier: Apache-2.0
//
// What nearly every unit includes: precompiled once. Nothing of weft's own stands here, so that a
// change of ours never rebuilds the world through this file.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>
