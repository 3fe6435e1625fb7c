# SPDX-License-Identifier: Apache-2.0
culvert_fuzz(spiffe_id SOURCES ${CMAKE_CURRENT_LIST_DIR}/spiffe_id_fuzz.cc USES identity)
culvert_fuzz(certificate SOURCES ${CMAKE_CURRENT_LIST_DIR}/certificate_fuzz.cc USES identity crypto)
