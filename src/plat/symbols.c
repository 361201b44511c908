/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "plat/symbols.h"

#include "plat/unwind.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD_BYTES = 4096 };	/* a page: as much is there of each */

void weft__symbols_close(weft__symbols *s)
{
	if (s->bytes != NULL)
		munmap((void *)(uintptr_t)s->bytes, s->size_bytes);
	*s = (weft__symbols){0};
}

static void map(weft__symbols *s, int fd)
{
	struct stat file;
	void *bytes;

	if (fstat(fd, &file) != 0 || file.st_size < (off_t)sizeof(ElfW(Ehdr)))
		return;
	bytes = mmap(NULL, (size_t)file.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return;
	s->bytes = bytes;
	s->size_bytes = (size_t)file.st_size;
}

static bool open_file(weft__symbols *s, const char *path)
{
	int fd;

	if (s->path[0] == 0 || strcmp(s->path, path) != 0) {
		weft__symbols_close(s);
		snprintf(s->path, sizeof s->path, "%s", path);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0)
			map(s, fd);
		if (fd >= 0)
			close(fd);
	}
	return s->bytes != NULL;
}

/* size bytes from offset on, or NULL if the file has no such. */
static const void *part(const weft__symbols *s, uint64_t offset, uint64_t size)
{
	if (offset > s->size_bytes || size > s->size_bytes - offset)
		return NULL;
	return s->bytes + offset;
}

static const ElfW(Shdr) *find_table(const weft__symbols *s,
				    const ElfW(Shdr) **strings)
{
	const ElfW(Ehdr) *e = part(s, 0, sizeof *e);
	const ElfW(Shdr) *sections;

	if (e == NULL || memcmp(e->e_ident, ELFMAG, SELFMAG) != 0 ||
	    e->e_shentsize != sizeof *sections)
		return NULL;
	sections = part(s, e->e_shoff, (uint64_t)e->e_shnum * sizeof *sections);
	for (size_t i = 0; sections != NULL && i < e->e_shnum; i++)
		if (sections[i].sh_type == SHT_SYMTAB &&
		    sections[i].sh_link < e->e_shnum) {
			*strings = &sections[sections[i].sh_link];
			return &sections[i];
		}
	return NULL;
}

/* The function that has the address, as the file counts them. */
static const char *find(const weft__symbols *s, uint64_t address,
			uint64_t *offset)
{
	const ElfW(Shdr) *strings, *table = find_table(s, &strings);
	const ElfW(Sym) *symbol;
	const char *names;

	if (table == NULL)
		return NULL;
	symbol = part(s, table->sh_offset, table->sh_size);
	names = part(s, strings->sh_offset, strings->sh_size);
	if (symbol == NULL || names == NULL || strings->sh_size == 0 ||
	    names[strings->sh_size - 1] != 0)
		return NULL;
	for (size_t i = 0; i < table->sh_size / sizeof *symbol; i++) {
		const ElfW(Sym) *y = &symbol[i];

		*offset = address - y->st_value;
		if (ELF64_ST_TYPE(y->st_info) == STT_FUNC &&
		    *offset < y->st_size && y->st_name < strings->sh_size)
			return names + y->st_name;
	}
	return NULL;
}

/* Of the program itself, which may have been moved since it was started. */
static const char *path_of(const Dl_info *info, const struct link_map *map)
{
	return map->l_name[0] == 0 ? "/proc/self/exe" : info->dli_fname;
}

/*
 * Is it what was loaded at base, or has another file come in its place? Its
 * beginning tells: there are the sizes of its parts, and what identifies it.
 */
static bool is_loaded(const weft__symbols *s, const void *base)
{
	size_t size = s->size_bytes < HEAD_BYTES ? s->size_bytes : HEAD_BYTES;

	return memcmp(s->bytes, base, size) == 0;
}

/* The function that has the address, or NULL. */
static const char *look_up(weft__symbols *s, uint64_t at, uint64_t *offset,
			   Dl_info *info)
{
	struct link_map *map;

	if (dladdr1((void *)(uintptr_t)at, info, (void **)&map,
		    RTLD_DL_LINKMAP) == 0 ||
	    !open_file(s, path_of(info, map)) || !is_loaded(s, info->dli_fbase))
		return NULL;
	return find(s, at - map->l_addr, offset);
}

void weft__symbols_name(weft__symbols *s, const void *function, char *text,
			size_t size)
{
	uint64_t offset;
	Dl_info info = {0};
	const char *name =
		look_up(s, (uint64_t)(uintptr_t)function, &offset, &info);

	if (name == NULL)
		name = info.dli_sname;
	if (name != NULL)
		snprintf(text, size, "%s", name);
	else
		snprintf(text, size, "%p", function);
}

void weft__symbols_describe(weft__symbols *s, void *address, char *text,
			    size_t size)
{
	uint64_t offset;
	const char *name = NULL, *file;
	Dl_info info;

	if (address != NULL)
		name = look_up(s, (uint64_t)(uintptr_t)address - 1, &offset,
			       &info);
	if (name == NULL) {
		weft__unwind_describe(address, text, size);
		return;
	}
	file = strrchr(info.dli_fname, '/');
	snprintf(text, size, "%p %s+0x%llx (%s)", address, name,
		 (unsigned long long)offset + 1,
		 file != NULL ? file + 1 : info.dli_fname);
}
