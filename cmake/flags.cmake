# Flags of every translation unit. -ffp-contract=off: a fused multiply-add happens only where the
# source says fma, so that all instruction sets give the same bits.
add_compile_options(-Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wimplicit-fallthrough
                    -ffp-contract=off -fno-math-errno -fstack-protector-strong)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")  # collect garbage seldom: a tenth of the time, 0.5 GB more
  add_compile_options("SHELL:--param ggc-min-expand=300" "SHELL:--param ggc-min-heapsize=1000000")
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1")
add_compile_definitions(BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION
                        SPDLOG_FMT_EXTERNAL FMT_SHARED)
set(WEFT_TEST_TIMEOUT 600)  # seconds, of one test program
if(WEFT_SANITIZE)
  set(WEFT_TEST_TIMEOUT 2400)
  add_compile_options(-fsanitize=${WEFT_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${WEFT_SANITIZE})
endif()
if(WEFT_FUZZ)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all
                      -Wno-unused-private-field)
  add_link_options(-fsanitize=address,undefined)
endif()
