# One OBJECT library per instruction set. Its own target, because source-file properties are per
# directory and the last variant's flags would win. These files include no library header and export
# no weak symbol, so that no inline function compiled for a newer machine can end up in a path that
# an older one runs (tests/tidy looks at the objects).
#
# WEFT_FREE_ORDER is a yardstick, never a product: sums in whatever order the compiler likes best, and
# attention in spans of 1,024. bench/inference/run measures what the fixed order costs beside it.
if(WEFT_FREE_ORDER)
  add_compile_definitions(WEFT_ATTENTION_SPAN=1024)
  set(free_order -ffast-math -ffp-contract=fast)
endif()
function(weft_kernels name level)
  # instrumented, these unrolled loops take minutes to compile at -O3; and no parser calls them
  if(WEFT_SANITIZE)
    set(level -O1)
  elseif(WEFT_FUZZ)
    set(level -O1 -fno-sanitize=all)
  endif()
  add_library(weft_kernels_${name} OBJECT ${CMAKE_SOURCE_DIR}/src/tensor/kernels/${name}.cc)
  target_include_directories(weft_kernels_${name} PRIVATE ${CMAKE_SOURCE_DIR}/src)
  target_compile_options(weft_kernels_${name} PRIVATE ${level} -fno-stack-protector
                         -fno-exceptions -Wno-psabi ${ARGN} ${free_order})
  target_sources(weft_tensor PRIVATE $<TARGET_OBJECTS:weft_kernels_${name}>)
endfunction()

weft_kernels(scalar -O2 -mfma)  # the specification is not made for speed
weft_kernels(avx2 -O3 -mavx2 -mfma -mf16c)
set(avx512 -O3 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mfma -mf16c
    # g++ 12 takes the undefined pass-through operand of its own intrinsics for a bug
    -Wno-uninitialized -Wno-maybe-uninitialized)
weft_kernels(avx512 ${avx512})
weft_kernels(avx512_bf16 ${avx512} -mavx512bf16)
weft_kernels(amx ${avx512} -mamx-tile -mamx-int8 -mamx-bf16)
weft_kernels(amx_twin ${avx512})
