# weft_embed(TARGET DIRECTORY FUNCTION): puts every file of DIRECTORY into the program, and defines
# FUNCTION (declared in model/embedded.h) that lists them. The bytes come in by .incbin, so they are
# neither compiled nor copied; they lie page-aligned in read-only memory that loads on demand.
function(weft_embed target directory function)
  file(GLOB files CONFIGURE_DEPENDS ${directory}/*.json ${directory}/*.safetensors ${directory}/*.jinja)
  set(assembly "")
  set(declarations "")
  set(entries "")
  set(index 0)
  foreach(file ${files})
    get_filename_component(name ${file} NAME)
    set(symbol weft_embedded_${function}_${index})
    string(APPEND assembly ".section .rodata\n.balign 4096\n.global ${symbol}\n.hidden ${symbol}\n"
                           "${symbol}:\n.incbin \"${file}\"\n.global ${symbol}_end\n.hidden ${symbol}_end\n"
                           "${symbol}_end:\n.byte 0\n")
    string(APPEND declarations "extern const char ${symbol}[], ${symbol}_end[];\n")
    string(APPEND entries "    files.push_back({\"${name}\", {${symbol}, ${symbol}_end}});\n")
    math(EXPR index "${index} + 1")
  endforeach()
  string(APPEND assembly ".section .note.GNU-stack,\"\",@progbits\n")
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/embedded/${function}.S CONTENT "${assembly}" @ONLY)
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/embedded/${function}.cc @ONLY CONTENT
"// Written by cmake/embed.cmake from ${directory}.
#include \"model/embedded.h\"
extern \"C\" {
${declarations}}
namespace weft::model {
const std::vector<EmbeddedFile>& ${function}() {
  static const std::vector<EmbeddedFile> list = [] {
    std::vector<EmbeddedFile> files;
${entries}    return files;
  }();
  return list;
}
}  // namespace weft::model
")
  set_source_files_properties(${CMAKE_BINARY_DIR}/embedded/${function}.S PROPERTIES
                              OBJECT_DEPENDS "${files}")
  target_sources(${target} PRIVATE ${CMAKE_BINARY_DIR}/embedded/${function}.S
                                   ${CMAKE_BINARY_DIR}/embedded/${function}.cc)
endfunction()
