# The one order of modules: a module may use itself and those to its left. tests/lint/layers checks the
# includes against this line; weir_module() links accordingly.
set(WEIR_LAYERS core config decode describe crypto http coding resilience balance quota route auth telemetry transport
                control discovery finders connection upstream redis filter events proxy admin runtime client demo simulate intercept
                inject injector manual cli)

# One precompiled header for all modules, made with nobody's definitions but ours.
file(WRITE "${PROJECT_BINARY_DIR}/precompiled.cpp" "")
add_library(weir_precompiled OBJECT "${PROJECT_BINARY_DIR}/precompiled.cpp")
target_link_libraries(weir_precompiled PRIVATE weir_flags)
target_precompile_headers(weir_precompiled PRIVATE "${PROJECT_SOURCE_DIR}/cmake/precompiled.hpp")

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
    target_precompile_headers(weir_${name} REUSE_FROM weir_precompiled)
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
