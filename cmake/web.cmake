# The dashboard: web/build makes one file of everything that pages need (compressed, with an index),
# and it comes into the program by .incbin. It is made again when something under web/ changed, never
# because C++ did. Without npm or network the file is empty, and the program says so where the
# dashboard would be.
option(WEFT_DASHBOARD "build the dashboard into the program" ON)
function(weft_dashboard target)
  set(pack ${CMAKE_BINARY_DIR}/web/dashboard.pack)
  set(source ${CMAKE_BINARY_DIR}/web/dashboard.S)
  file(GLOB_RECURSE inputs CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/web/src/*
       ${CMAKE_SOURCE_DIR}/web/public/*)
  add_custom_command(
    OUTPUT ${pack}
    COMMAND ${CMAKE_SOURCE_DIR}/web/build ${pack} ${WEFT_DASHBOARD}
    DEPENDS ${inputs} ${CMAKE_SOURCE_DIR}/web/build ${CMAKE_SOURCE_DIR}/web/pack.mjs
            ${CMAKE_SOURCE_DIR}/web/index.html ${CMAKE_SOURCE_DIR}/web/vite.config.ts
            ${CMAKE_SOURCE_DIR}/web/package.json ${CMAKE_SOURCE_DIR}/web/package-lock.json
    COMMENT "The dashboard" USES_TERMINAL VERBATIM)
  file(CONFIGURE OUTPUT ${source} @ONLY CONTENT
".section .rodata
.balign 64
.global weft_dashboard_pack
.hidden weft_dashboard_pack
weft_dashboard_pack:
.incbin \"${pack}\"
.global weft_dashboard_pack_end
.hidden weft_dashboard_pack_end
weft_dashboard_pack_end:
.byte 0
.section .note.GNU-stack,\"\",@progbits
")
  set_source_files_properties(${source} PROPERTIES OBJECT_DEPENDS ${pack})
  target_sources(${target} PRIVATE ${source})
endfunction()
