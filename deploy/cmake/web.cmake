# lm_web(SIDE VAR): builds SIDE/web with what it shares in common/web (npm, vite), and gives the two sources that hold it: symbol
# lm_SIDE_assets, with _ for a slash. One build serves every preset: it goes to .build/web, under a lock, and only when a source has changed.
function(lm_web side var)
  set(out ${CMAKE_SOURCE_DIR}/.build/web/${side})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${side}/web/* ${CMAKE_SOURCE_DIR}/common/web/src/*)
  set(shared ${CMAKE_SOURCE_DIR}/common/web)
  add_custom_command(OUTPUT ${out}/assets.c ${out}/assets.S
    COMMAND ${CMAKE_SOURCE_DIR}/deploy/web.sh ${side}
    DEPENDS ${sources} ${shared}/package-lock.json ${shared}/package.json ${shared}/vite.config.ts ${shared}/tsconfig.json
      ${shared}/embed.mjs ${shared}/early.js ${CMAKE_SOURCE_DIR}/deploy/web.sh
    COMMENT "Building the page of ${side}" VERBATIM)
  set_source_files_properties(${out}/assets.S PROPERTIES OBJECT_DEPENDS ${out}/assets.c)
  set(${var} ${out}/assets.c ${out}/assets.S PARENT_SCOPE)
endfunction()
