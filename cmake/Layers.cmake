# The one order of modules: a module may use itself and those to its left. tests/lint/layers checks the
# includes against this line; weir_module() links accordingly.
set(WEIR_LAYERS core config http resilience route telemetry transport discovery upstream filter events
                proxy admin runtime cli)

# Each module is a static library of src/<name>/*.cpp, linked only to the modules on its left.
function(weir_module name)
    file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/${name}/*.cpp")
    list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
    if(NOT sources)
        return()
    endif()
    add_library(weir_${name} STATIC ${sources})
    target_include_directories(weir_${name} PUBLIC "${PROJECT_SOURCE_DIR}/include"
                                            PRIVATE "${PROJECT_SOURCE_DIR}/src")
    target_link_libraries(weir_${name} PRIVATE weir_flags)
    if(NOT name STREQUAL "core")
        target_precompile_headers(weir_${name} REUSE_FROM weir_core)
    else()
        target_precompile_headers(weir_core PRIVATE "${PROJECT_SOURCE_DIR}/cmake/precompiled.hpp")
    endif()
    foreach(left IN LISTS WEIR_LAYERS)
        if(left STREQUAL name)
            break()
        endif()
        if(TARGET weir_${left})
            target_link_libraries(weir_${name} PUBLIC weir_${left})
        endif()
    endforeach()
    foreach(library IN LISTS ARGN)
        target_link_libraries(weir_${name} PRIVATE ${library})
    endforeach()
endfunction()
