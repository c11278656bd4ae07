# weft_module(NAME MODULES … LIBRARIES … [OPTIMIZE FLAG]): src/NAME/*.cc become the static library
# weft_NAME, src/NAME/*_test.cc the test program NAME_test. A module without sources yet is skipped; a
# module of headers only becomes an interface library. Files under kernels/ are built by kernels.cmake.
#
# Precompiled headers: what nearly every unit includes anyway (cmake/pch.h, and for tests GoogleTest)
# is parsed once for the libraries and once for the tests. They change nothing but the time: each
# unit still includes what it uses.
function(weft_precompiled target owner)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE -fpch-preprocess)  # for ccache
    if(target STREQUAL owner)
      target_precompile_headers(${target} PRIVATE ${ARGN})
    else()
      target_precompile_headers(${target} REUSE_FROM ${owner})
    endif()
  endif()
endfunction()

# What the units of every GoogleTest program have in common.
function(weft_test_flags target)
  target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR})  # tests/golden/golden.h
  target_compile_definitions(${target} PRIVATE WEFT_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  if(WEFT_SANITIZE)  # slow enough
    target_compile_options(${target} PRIVATE -O1)
  else()  # the time goes to what is tested, not to the test
    target_compile_options(${target} PRIVATE -O0)
  endif()
  weft_precompiled(${target} base_test ${CMAKE_SOURCE_DIR}/cmake/pch.h <gtest/gtest.h>)
endfunction()

# WEFT_UNITY compiles a module's files some at a time, as one unit: half the time of a whole build.
# It holds because no two files of a module give a hidden name twice; without it each file stands alone.
# What includes CLI11, and Boost's own sources, stay alone: they cost more than they share.
function(weft_unity target)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ${WEFT_UNITY} UNITY_BUILD_BATCH_SIZE 0)
  if(WEFT_UNITY AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE -Wno-subobject-linkage)  # there is but one unit
  endif()
endfunction()
set_source_files_properties(${CMAKE_SOURCE_DIR}/src/cli/options.cc PROPERTIES
                            SKIP_UNITY_BUILD_INCLUSION ON)

function(weft_module name)
  cmake_parse_arguments(ARG "" "OPTIMIZE" "MODULES;LIBRARIES" ${ARGN})
  set(dir ${CMAKE_SOURCE_DIR}/src/${name})
  file(GLOB sources CONFIGURE_DEPENDS ${dir}/*.cc)
  file(GLOB headers CONFIGURE_DEPENDS ${dir}/*.h)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$|/main\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  if(NOT sources AND NOT headers)
    return()
  endif()
  set(links ${ARG_LIBRARIES})
  foreach(module ${ARG_MODULES})
    if(TARGET weft_${module})
      list(APPEND links weft_${module})
    endif()
  endforeach()
  if(sources)
    add_library(weft_${name} STATIC ${sources})
    weft_unity(weft_${name})
    target_include_directories(weft_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
    target_link_libraries(weft_${name} PUBLIC ${links})
    weft_precompiled(weft_${name} weft_base ${CMAKE_SOURCE_DIR}/cmake/pch.h)
    if(ARG_OPTIMIZE AND CMAKE_BUILD_TYPE STREQUAL "Release")
      target_compile_options(weft_${name} PRIVATE ${ARG_OPTIMIZE})
    endif()
  else()
    add_library(weft_${name} INTERFACE)
    target_include_directories(weft_${name} INTERFACE ${CMAKE_SOURCE_DIR}/src)
    target_link_libraries(weft_${name} INTERFACE ${links})
  endif()
  if(EXISTS ${dir}/kernels)
    include(${CMAKE_SOURCE_DIR}/cmake/kernels.cmake)
  endif()
  if(WEFT_TESTS AND tests)
    add_executable(${name}_test ${tests})
    weft_unity(${name}_test)
    target_link_libraries(${name}_test PRIVATE weft_${name} GTest::gmock GTest::gtest_main)
    weft_test_flags(${name}_test)
    add_test(NAME ${name} COMMAND ${name}_test)
    set(labels unit)
    if(name MATCHES "^(base|tensor|runtime|backend|net|store|worker)$")
      list(APPEND labels threads)  # run under ThreadSanitizer too
    endif()
    set_tests_properties(${name} PROPERTIES LABELS "${labels}" TIMEOUT ${WEFT_TEST_TIMEOUT})
  endif()
endfunction()

# The program itself: src/cli/main.cc over the module cli.
function(weft_program)
  if(NOT EXISTS ${CMAKE_SOURCE_DIR}/src/cli/main.cc)
    return()
  endif()
  add_executable(weft ${CMAKE_SOURCE_DIR}/src/cli/main.cc)
  target_link_libraries(weft PRIVATE weft_cli)
  target_compile_definitions(weft_cli PRIVATE WEFT_VERSION="${PROJECT_VERSION}")
endfunction()
