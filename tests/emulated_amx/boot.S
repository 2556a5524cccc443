# A ROM of 64 KiB that ends where the processor begins, at 16 bytes below its end. It enters 64-bit mode, maps the first
# GiB to itself and calls the program at 4 MiB.
  .code16
  .section .text
first:
  cli
  mov $0x02, %al            # opens address line 20
  out %al, $0x92
  mov $0xf000, %ax
  mov %ax, %ds
  lgdtl table_register - first
  mov %cr0, %eax
  or $1, %eax
  mov %eax, %cr0
  ljmpl $0x08, $0xf0000 + (protected_mode - first)

  .code32
protected_mode:
  mov $0x10, %ax
  mov %ax, %ds
  mov %ax, %es
  mov %ax, %ss
  # Three levels of page tables at 4 KiB; the last has 512 pages of 2 MiB.
  mov $0x1000, %edi
  xor %eax, %eax
  mov $0xc00, %ecx
  rep stosl
  movl $0x2003, 0x1000
  movl $0x3003, 0x2000
  mov $0x3000, %edi
  mov $0x83, %eax
  mov $512, %ecx
next_page:
  mov %eax, (%edi)
  add $0x200000, %eax
  add $8, %edi
  loop next_page
  mov $0x1000, %eax
  mov %eax, %cr3
  mov $0x40620, %eax        # PAE, OSFXSR, OSXMMEXCPT, OSXSAVE
  mov %eax, %cr4
  mov $0xc0000080, %ecx     # EFER: long mode
  rdmsr
  or $0x100, %eax
  wrmsr
  mov $0x80000023, %eax     # paging, native errors, monitor of the coprocessor, protection
  mov %eax, %cr0
  ljmpl $0x18, $0xf0000 + (long_mode - first)

  .code64
long_mode:
  xor %eax, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %ss
  mov $0x602e7, %eax        # XCR0: x87, SSE, AVX, AVX-512, PKRU, tiles
  xor %edx, %edx
  xor %ecx, %ecx
  xsetbv
  mov $0x3000000, %rsp
  mov $0x400000, %rax
  call *%rax
halt:
  hlt
  jmp halt

  .balign 16
table:
  .quad 0
  .quad 0x00cf9a000000ffff  # code of 32 bits
  .quad 0x00cf92000000ffff  # data
  .quad 0x00af9a000000ffff  # code of 64 bits
table_register:
  .word 31
  .long 0xf0000 + (table - first)

  .code16
  .section .reset, "ax"
  .byte 0xea                # jumps to f000:0000
  .word 0, 0xf000
