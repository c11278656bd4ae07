// SPDX-License-Identifier: Apache-2.0
// The compiled parts of Boost.Asio and Boost.Beast, once for the whole program
// (BOOST_ASIO_SEPARATE_COMPILATION, BOOST_BEAST_SEPARATE_COMPILATION).
#include <boost/asio/impl/src.hpp>
#include <boost/beast/src.hpp>
